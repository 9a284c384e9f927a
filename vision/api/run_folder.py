"""The run folder: everything about one run in one place, readable without this package."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.artifacts.model_description import current_versions
from vision.artifacts.model_folder import pack_model
from vision.files.atomic_file import write_whole
from vision.files.file_lock import locked_folder
from vision.files.write_error import make_folder
from vision.settings.augmentation import AugmentationSettings
from vision.settings.errors import SettingsError, UserError
from vision.settings.job import RUN_FILE, TrainingJob
from vision.settings.learning import LearningSettings
from vision.settings.run import RunSettings
from vision.settings.strict_json import read_json
from vision.training.processes import is_first_process

if TYPE_CHECKING:
    from vision.training.checkpoints import Checkpoints

log = logging.getLogger(__name__)

# As SageMaker calls the first machine of a job.
HOST = "algo-1"
# A resumed run keeps the settings that it began with, but may train for more epochs.
MAY_CHANGE = frozenset({"epochs"})
MUST_STAY = (
    *("seed", "accumulate", "precision", "devices", "new_head", "scaled_decode", "validation_share"),
    "backbone",
    *LearningSettings.model_fields,
    *AugmentationSettings.model_fields,
)


@dataclass(frozen=True)
class RunFolder:
    """Paths inside the folder of one run. A front door whose platform fixes other places overrides them."""

    path: Path

    @property
    def name(self) -> str:
        """Return the name of the run for people."""
        return self.path.name

    @property
    def host(self) -> str:
        """Return the name of this machine in the log."""
        return HOST

    @property
    def settings(self) -> Path:
        return self.path / RUN_FILE

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def archive(self) -> Path:
        return self.path / "model.tar.gz"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def card(self) -> Path:
        return self.path / "model_card.md"

    def model_changed(self) -> None:
        """Do nothing; subclasses that keep a copy of the model override this. Called after each change of the model."""

    def pack(self) -> None:
        """Pack the model into one file. Called once, at the end of the run."""
        pack_model(self.model, self.archive)


def new_run_folder(job: TrainingJob) -> RunFolder:
    """Return the folder that ``run.output`` names, or a new one by algorithm and date. Nothing is written yet."""
    path = job.run.output
    if path is None:
        if job.run.resume:
            raise UserError("run.resume=true needs the folder of the run to resume; give run.output=PATH as well")
        path = Path("runs") / job.algorithm / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return RunFolder(path)


@contextmanager
def open_run_folder(job: TrainingJob, facts: dict[str, int], folder: RunFolder) -> Iterator[None]:
    """Create the run's folder, or open it again to resume; other runs are kept out of it for the block.

    ``facts`` are counts of the data that must be the same on resume. Raises UserError if the folder holds another
    run or one is at work there, or SettingsError naming every setting that differs from the one it began with.
    """
    if not is_first_process():
        yield
        return
    for path in (folder.path, folder.settings.parent):
        make_folder(path)
    with locked_folder(folder.settings.parent, "a run", "wait for its end, end it, or give another run.output"):
        _begin(folder, job, _describe(job, facts))
        yield


def _begin(folder: RunFolder, job: TrainingJob, described: dict[str, Any]) -> None:
    # Imported here because it loads Lightning, which an evaluation does without.
    from vision.training.checkpoints import LAST

    if job.run.resume and not (folder.checkpoints / LAST).exists():
        # A container always resumes, so that its first start is nothing to warn of.
        level = logging.WARNING if folder.settings.exists() else logging.INFO
        log.log(level, "there is no checkpoint in %s yet, so the run begins from the start", folder.checkpoints)
    if folder.settings.exists():
        if not job.run.resume:
            raise UserError(
                f"{folder.path} already holds a run; add run.resume=true to go on with it, or give another run.output"
            )
        changed = changed_settings(folder.path, folder.settings, described)
        if changed:
            log.warning("the run in %s goes on with other settings than before: %s", folder.path, "; ".join(changed))
    write_whole(folder.settings, json.dumps(described, indent=2) + "\n")


def _describe(job: TrainingJob, facts: dict[str, int]) -> dict[str, Any]:
    channels = {name: channel.described() for name, channel in job.channels.items()}
    return {
        "algorithm": job.algorithm,
        "hyperparameters": job.hyperparameters.to_strings(),
        "channels": channels,
        "run": json.loads(job.run.model_dump_json()),
        "data": facts,
        "versions": current_versions(),
    }


def checkpoint_to_resume(run: RunSettings, checkpoints: Checkpoints) -> str | None:
    """Return the path of the checkpoint from which a run continues; None starts it from the beginning."""
    return str(checkpoints.path) if run.resume and checkpoints.path.exists() else None


def changed_settings(folder: Path, file: Path, described: dict[str, Any]) -> list[str]:
    """Return what differs, and may, from the settings in ``file``, with which the run in ``folder`` began.

    ``described`` are the settings of now in the form of that file. Raises SettingsError naming all that may not change,
    or UserError for a file that is damaged.
    """
    try:
        earlier = read_json(file)
        pairs = [("algorithm", earlier["algorithm"], described["algorithm"])]
        before, now = earlier["hyperparameters"], described["hyperparameters"]
        names = sorted((set(before) | set(now)) - MAY_CHANGE)
        pairs += [(f"hp.{name}", before.get(name, "unset"), now.get(name, "unset")) for name in names]
        # A run of an earlier version was as a setting's default has it that came later.
        began = json.loads(RunSettings().model_dump_json()) | earlier["run"]
        pairs += [(f"run.{name}", began[name], described["run"][name]) for name in MUST_STAY]
        pairs += [(f"{name}", earlier["data"].get(name), value) for name, value in described["data"].items()]
        free = [(f"hp.{name}", before.get(name, "unset"), now.get(name, "unset")) for name in sorted(MAY_CHANGE)]
        free += [
            (f"run.{name}", began.get(name), value)
            for name, value in described["run"].items()
            if name not in (*MUST_STAY, "resume", "output")
        ]
        free += [
            (f"channels.{name}", earlier["channels"].get(name, {}).get("path"), channel["path"])
            for name, channel in described["channels"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is not the settings file of a run ({error}); give another run.output") from error
    problems = [
        f"{name} is {new}, but the run in {folder} began with {old}: a run resumes with the settings it began "
        f"with (only hp.epochs may change); set it back, or start a new run.output"
        for name, old, new in pairs
        if old != new
    ]
    if problems:
        raise SettingsError(problems)
    return [f"{name} {old} -> {new}" for name, old, new in free if old != new]
