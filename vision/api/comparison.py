"""Measures two stored models on the same images and says how sure the difference is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vision import algorithms
from vision.api.evaluation import evaluated_task, open_validation, validation_of
from vision.api.held_out import HeldOut
from vision.api.model import open_model
from vision.artifacts.model_folder import StoredModel
from vision.metrics.bootstrap import Compared, Comparison, paired_bootstrap
from vision.settings.channels import Channel
from vision.settings.counted import counted
from vision.settings.errors import UserError
from vision.settings.nearest import shown
from vision.settings.run import RunSettings

RESAMPLES = 2000
# With this many classes, some differ by chance alone.
_MANY_CLASSES = 5
_SEEN = (
    "The images are those that the run of model held out; other did not hold out the same ones and may have learned "
    "from some of them, which flatters it."
)


def compare(
    model: str | Path,
    other: str | Path,
    channels: Mapping[str, Channel],
    run: RunSettings | None = None,
    resamples: int = RESAMPLES,
    advance: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Compare two models of the same classes on the ``validation`` channel by ``resamples`` draws of its images.

    Without channels the images are those on which the run of ``model`` validated. Both are measured as ``model`` is.
    ``run.seed`` decides the draws, ``advance`` hears of each. Raises UserError.
    """
    run = run or RunSettings()
    stored = [open_model(path, run) for path in (model, other)]
    _check_alike(stored[0], stored[1])
    channels, run, held_out = validation_of(model, channels, run)
    readers = [open_validation(one, channels, run, held_out) for one in stored]
    first, second = (
        evaluated_task(one, channels, run, reader, alone=True) for one, reader in zip(stored, readers, strict=True)
    )
    arrays = (first.evaluated, second.evaluated)
    _, *rows = np.intersect1d(arrays[0]["index"], arrays[1]["index"], assume_unique=True, return_indices=True)
    if not len(rows[0]):
        raise UserError("channel 'validation': there is no image that both models can be measured on")
    figures = [first.image_metrics(_rows(found, kept)) for found, kept in zip(arrays, rows, strict=True)]
    intervals = paired_bootstrap(
        figures[0], figures[1], len(rows[0]), resamples=resamples, seed=run.seed, advance=advance
    )
    names = figures[0].names
    algorithm = algorithms.get(stored[0].algorithm)
    compared = [Compared(*pair) for pair in zip((*names, *stored[0].class_names), intervals, strict=True)]
    left_out = max(len(found["index"]) for found in arrays) - len(rows[0])
    return Comparison(
        model=str(model),
        other=str(other),
        num_images=len(rows[0]),
        resamples=resamples,
        objective=algorithm.facts.objective.metric,
        metrics=tuple(compared[: len(names)]),
        class_metric=figures[0].class_metric,
        classes=tuple(compared[len(names) :]),
        notes=(
            *_notes(stored[0].class_names, left_out, [task.broken["validation"].summary() for task in (first, second)]),
            *([_SEEN] if held_out is not None and not _holds_out_too(held_out, other) else []),
        ),
    )


def _holds_out_too(held_out: HeldOut, other: str | Path) -> bool:
    """Return whether the run that made ``other`` held out the same images."""
    found = HeldOut.read(Path(other))
    return found is not None and found.keys == held_out.keys


def _rows(arrays: dict[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[kept] for name, column in arrays.items()}


def _check_alike(first: StoredModel, second: StoredModel) -> None:
    if first.algorithm != second.algorithm:
        raise UserError(f"model is of {first.algorithm} and other of {second.algorithm}: compare models of one kind")
    if first.class_names != second.class_names:
        raise UserError(_different_classes(first.class_names, second.class_names))
    algorithm = algorithms.get(first.algorithm)
    hyperparameters = [algorithm.facts.hyperparameters.parse(one.hyperparameters) for one in (first, second)]
    for name in algorithm.facts.measured_by:
        values = [getattr(hp, name) for hp in hyperparameters]
        if values[0] != values[1]:
            raise UserError(f"hp.{name} of model is {values[0]}, of other {values[1]}: compare models with the same")


def _different_classes(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    if len(first) != len(second):
        what = f"model has {len(first)} classes and other {len(second)}"
    elif set(first) == set(second):
        what = "model and other have the same classes in different orders"
    else:
        place = next(i for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
        what = f"class {place} is {shown(first[place])} in model and {shown(second[place])} in other"
    return f"{what}: compare models with the same classes; run.class_names names those of a model of MXNet"


def _notes(class_names: tuple[str, ...], left_out: int, broken: list[str | None]) -> tuple[str, ...]:
    notes = [
        "Intervals hold 95 of 100 times for other images drawn in the same way; they say nothing of other runs of the "
        "same training, nor of images of another kind. One without width has too few images (or mistakes) to tell."
    ]
    if len(class_names) >= _MANY_CLASSES:
        notes.append("Of many classes some differ by chance: about one in twenty is called better or worse wrongly.")
    if left_out:
        notes.append(f"Left out: {counted(left_out, 'image')} that only one of the models could read.")
    notes += [summary for summary in dict.fromkeys(broken) if summary]
    return tuple(notes)
