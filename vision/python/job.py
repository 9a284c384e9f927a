"""Makes a checked job of what a caller in Python says: data, a recipe, keywords."""

from __future__ import annotations

import ast
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision import algorithms
from vision.api.checked_job import checked_job
from vision.data.counting import print_counts, with_counts
from vision.recipes.proposal import Proposal, Wish, propose
from vision.settings.channels import needed_channels
from vision.settings.config_folder import config_folder
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.job import Job, TrainingJob

if TYPE_CHECKING:
    import albumentations as A

_LONGEST = 100
_EXAMPLE = 'give for example {"train": PATH, "validation": PATH}, or the path of your images'


def job_of(
    data: str | Path,
    channels: object,
    recipe: str | Path | None,
    hyperparameters: Mapping[str, object],
    run: Mapping[str, object],
    own: Mapping[str, object],
    function: str = "fit",
) -> tuple[TrainingJob, Proposal | None]:
    """Return the job of the arguments of ``vision.fit``, and what a recipe proposed for it, which is printed.

    ``own`` are run settings that the ``function`` called has arguments of its own for. Raises UserError.
    """
    algorithm = _algorithm(data, channels)
    paths = [str(path) for path in (data, channels) if isinstance(path, str | Path)][0 if algorithm is None else 1 :]
    located = dict(channels) if isinstance(channels, Mapping) else {}
    if algorithm is not None and not paths and not isinstance(channels, Mapping):
        raise SettingsError([f"Argument channels must map names to paths: {_EXAMPLE}."])
    proposal = None
    if algorithm is None or paths or recipe is not None:
        stated = {f"hp.{name}": value for name, value in hyperparameters.items()}
        stated |= {f"run.{name}": value for name, value in {**run, **own}.items()}
        name, folders = _recipe(recipe)
        proposal = propose(Wish(paths, located, stated, name, algorithm), folders)
        algorithm, located = proposal.algorithm, {**proposal.channels, **located}
        chosen = {part: _section(proposal.settings, part) for part in ("hp", "run")}
        hyperparameters, run = {**chosen["hp"], **hyperparameters}, {**chosen["run"], **run}
        # Nothing is shown of a job that is refused in the end.
        checked_job(algorithm, hyperparameters, located, {**run, **own})
        if os.environ.get("LOCAL_RANK", "0") == "0":
            proposal.print_sentences()
            call = _call(function, [algorithm, located], {**hyperparameters, **_folds(own), "run": run})
            print(f"vision: the same in full:\n{call}", file=sys.stderr, flush=True)
    facts = algorithms.facts_of(algorithm)
    run = {**run, **own}
    declared = needed_channels(facts.channels, run)
    suffixes, shown = facts.label_suffixes("train"), run.get("progress", "auto") in ("auto", "bar")
    counted = with_counts(hyperparameters, located, suffixes, shows_progress=shown)
    job = Job.parse(facts.name, facts.hyperparameters, counted, located, run, declared)
    print_counts(hyperparameters, counted)
    return job, proposal


def augmentation_of(transform: A.BasicTransform | A.BaseCompose | None, run: Mapping[str, object]) -> dict[str, object]:
    """Return the run setting ``augmentation`` for a pipeline of Python, as albumentations saves it; {} without one."""
    if transform is None:
        return {}
    if run.get("augmentation") is not None:
        raise SettingsError(["Run setting augmentation and argument transform are both given: leave one of them out."])
    import albumentations

    text = io.StringIO()
    try:
        albumentations.save(transform, text)
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        problem = (
            f"Argument transform is no pipeline that albumentations can save ({error}): leave out parts of your own."
        )
        raise SettingsError([problem]) from error
    return {"augmentation": text.getvalue()}


def _algorithm(data: str | Path, channels: object) -> str | None:
    """Return the algorithm that ``data`` names; None where it is a path."""
    name = str(data)
    if isinstance(channels, Mapping) or name.replace("-", "_") in algorithms.names():
        return algorithms.full_name(name)
    if not local_path(data).exists():
        known = ", ".join(algorithms.names())
        raise SettingsError([f"Argument {name!r} is neither a path that exists nor an algorithm, which are {known}."])
    return None


def _recipe(recipe: str | Path | None) -> tuple[str | None, list[Path]]:
    """Return the name of a recipe and the folders in which its file may be."""
    ours = config_folder() / "recipe"
    if recipe is None or (isinstance(recipe, str) and Path(recipe).suffix not in (".yaml", ".yml")):
        return recipe, [ours]
    return Path(recipe).stem, [local_path(recipe).parent]


def _section(settings: Mapping[str, str], section: str) -> dict[str, str]:
    return {name.partition(".")[2]: value for name, value in settings.items() if name.startswith(f"{section}.")}


def _folds(own: Mapping[str, object]) -> dict[str, object]:
    """Return what of a function's own arguments can be written down: pipelines and networks are objects."""
    return {name: value for name, value in own.items() if name == "folds"}


def _call(function: str, places: Sequence[object], keywords: Mapping[str, object]) -> str:
    """Return the call that does without a recipe."""
    lines = [*map(_literal, places), *(f"{name}={_lines(value)}" for name, value in keywords.items())]
    return "\n".join([f"vision.{function}(", *(f"    {line}," for line in lines), ")"])


def _lines(value: object) -> str:
    """Return an argument as Python writes it, a long mapping with a line for each entry."""
    whole = _literal(value)
    if not isinstance(value, Mapping) or len(whole) <= _LONGEST:
        return whole
    return "".join(["{\n", *(f"        {name!r}: {_literal(one)},\n" for name, one in value.items()), "    }"])


def _literal(value: object) -> str:
    """Return a value as Python writes it, numbers in texts as numbers."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {_literal(one)}' for name, one in value.items())}}}"
    if not isinstance(value, str):
        return repr(str(value) if isinstance(value, Path) else value)
    try:
        return repr(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return repr(value)
