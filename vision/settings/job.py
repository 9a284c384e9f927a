"""A job: everything one training run needs, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from vision.settings.channels import Channel, ChannelFacts, parse_channels
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Hyperparameters, TrainingHyperparameters
from vision.settings.run import RunSettings

# Exists in the folder of every run that has begun.
RUN_FILE = "settings.json"

H_co = TypeVar("H_co", bound=Hyperparameters, covariant=True)
T = TypeVar("T")


@dataclass(frozen=True)
class Job(Generic[H_co]):
    """A checked job, which the command line, the container and Python all build. ``algorithm`` has underscores."""

    algorithm: str
    hyperparameters: H_co
    channels: dict[str, Channel]
    run: RunSettings

    @classmethod
    def parse(
        cls,
        algorithm: str,
        table: type[H_co],
        hyperparameters: Mapping[str, object],
        channels: Mapping[str, object],
        run: Mapping[str, object],
        declared: Sequence[ChannelFacts],
    ) -> Job[H_co]:
        """Build a job from texts or typed values. Raises one SettingsError with the problems of all parts.

        ``declared`` are the channels that the algorithm knows and requires.
        """
        names, required = [one.name for one in declared], [one.name for one in declared if one.required]
        problems: list[str] = []
        checked = _collect(problems, lambda: table.parse(hyperparameters))
        located = _collect(problems, lambda: parse_channels(channels, required, names))
        settings = _collect(problems, lambda: RunSettings.parse(run))
        if located is not None and settings is not None:
            problems += _hold_out_problems(located, settings)
        if problems or checked is None or located is None or settings is None:
            raise SettingsError(problems)
        return cls(algorithm, checked, located, settings)


# A job of any algorithm, as shared code handles it.
TrainingJob: TypeAlias = Job[TrainingHyperparameters]


def occupied(run: RunSettings) -> str | None:
    """Return a sentence if ``run.output`` already holds a run that this one does not resume, else None."""
    if run.output is None or run.resume:
        return None
    folder = run.output if run.folds is None else run.output / "fold_0"
    if not (folder / RUN_FILE).exists():
        return None
    return f"{run.output} already holds a run; add run.resume=true to go on with it, or give another run.output"


def _hold_out_problems(channels: Mapping[str, Channel], run: RunSettings) -> list[str]:
    """Return what stands against holding out a part of channel train."""
    if run.validation_share is None:
        return []
    given = sorted(name for name in channels if name.startswith("validation"))
    problems = []
    if given:
        problems.append(
            f"Run setting validation_share holds out a part of channel train, but channel {given[0]} is given as well:"
            " leave one of them out."
        )
    if "train" in channels and channels["train"].input_mode == "Pipe":
        problems.append(
            "Run setting validation_share needs the images in any order, but channel train is in Pipe mode: use File"
            " mode, or give channels.validation=PATH."
        )
    return problems


def _collect(problems: list[str], parse: Callable[[], T]) -> T | None:
    try:
        return parse()
    except SettingsError as error:
        problems += error.problems
        return None
