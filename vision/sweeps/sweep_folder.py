"""The sweep folder: the plan that a sweep started with, its study, and a run folder for each trial."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from vision.files.atomic_file import write_whole
from vision.files.file_lock import locked_folder
from vision.files.write_error import make_folder
from vision.settings.errors import UserError
from vision.settings.strict_json import read_json
from vision.sweeps.space import SearchSpace

PLAN = "sweep.json"


@dataclass(frozen=True)
class SweepPlan:
    """What all trials share and what stays when a sweep resumes.

    ``words`` are the command line's, without what the sweep varies, relative to ``working_folder``. ``metric`` is the
    objective's name in metrics.csv, ``sagemaker_metric`` that of tuning jobs. ``epochs`` is the most that a trial runs.
    ``settings`` are the given ones of the sweep itself.
    """

    algorithm: str
    words: tuple[str, ...]
    working_folder: str
    metric: str
    sagemaker_metric: str
    epochs: int
    device: str
    devices: int | None
    space: SearchSpace
    settings: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """Return the plan as JSON for the sweep's file."""
        return {**self.__dict__, "words": list(self.words), "space": self.space.to_json()}


@dataclass(frozen=True)
class SweepFolder:
    """Paths inside the folder of one sweep."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / PLAN

    @property
    def study(self) -> Path:
        return self.path / "study.db"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        return self.path / "report"

    def trial(self, number: int) -> Path:
        """Return the run folder of a trial."""
        return self.path / "trials" / f"{number:04d}"

    def begin(self, plan: SweepPlan) -> None:
        """Make the folder of a new sweep. Raises UserError if it holds one already."""
        if self.plan.exists():
            raise UserError(
                f"{self.path} already holds a sweep; add sweep.resume=true to go on with it, or give another"
                " sweep.output"
            )
        make_folder(self.path)
        self.write_plan(plan)

    def write_plan(self, plan: SweepPlan) -> None:
        """Write the plan in one step, never half of it."""
        write_whole(self.plan, json.dumps(plan.to_json(), indent=2) + "\n")

    def read_plan(self) -> SweepPlan:
        """Read the plan of the sweep in this folder. Raises UserError if there is none."""
        if not self.plan.exists():
            raise UserError(f"{self.path} holds no sweep to resume: give its folder as sweep.output=PATH")
        try:
            found = read_json(self.plan)
            space = SearchSpace.from_json(found["space"])
            return SweepPlan(**{**found, "words": tuple(found["words"]), "space": space})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.plan} is not the plan of a sweep ({type(error).__name__}: {error}): give another sweep.output"
            ) from error

    def locked(self) -> AbstractContextManager[None]:
        """Keep other sweeps out of the folder. Raises UserError naming the process that is at work there."""
        return locked_folder(self.path, "a sweep", "wait for its end, end it, or give another sweep.output")
