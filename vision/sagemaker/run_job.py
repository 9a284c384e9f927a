"""Trains one job in this process, in a run folder whose parts lie where the platform restores and fetches them."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from vision.api.run_folder import RunFolder
from vision.api.training_run import RunResult, train
from vision.files.atomic_file import atomic_file
from vision.files.write_error import WriteError, make_folder
from vision.reports.report import write_run_report
from vision.sagemaker.container_job import JOB_NAME_VARIABLE
from vision.sagemaker.prefix import Prefix
from vision.settings.job import TrainingJob
from vision.training.processes import is_first_process
from vision.training.termination import Terminated

log = logging.getLogger(__name__)

MODEL_JSON = "model.json"


@dataclass(frozen=True)
class JobFolders(RunFolder):
    """The run folder of a container; ``path`` is ``output/data``, with history, logger files and the report.

    After a spot interruption the platform restores the checkpoint folder and nothing else, so the best model so far is
    kept there too; ``published`` gets a copy, which the platform packs into the job's model.tar.gz.
    """

    checkpoint_folder: Path
    published: Path
    job_name: str
    machine: str

    @property
    def name(self) -> str:
        return self.job_name

    @property
    def host(self) -> str:
        return self.machine

    @property
    def settings(self) -> Path:
        return self.checkpoint_folder / "settings.json"

    @property
    def checkpoints(self) -> Path:
        return self.checkpoint_folder

    @property
    def model(self) -> Path:
        return self.checkpoint_folder / "model"

    @property
    def archive(self) -> Path:
        raise AssertionError("the platform packs the model")

    def model_changed(self) -> None:
        """Copy the model to ``published``; after a stop at any moment there is a whole model there."""
        if not (self.model / MODEL_JSON).exists():
            return
        try:
            make_folder(self.published)
            sources = {entry.name: entry for entry in self.model.iterdir() if not entry.name.startswith(".")}
            description = sources.pop(MODEL_JSON)
            # A weights file never changes under its name. The description comes last and makes the copy valid.
            new = [source for source in sources.values() if not (self.published / source.name).exists()]
            for source in [*new, description]:
                with source.open("rb") as from_file, atomic_file(self.published / source.name) as to_file:
                    shutil.copyfileobj(from_file, to_file, 1 << 20)
            for entry in list(self.published.glob("weights-*")):
                if entry.name not in sources:
                    entry.unlink()
        except OSError as error:
            raise WriteError(self.published, error) from error

    def pack(self) -> None:
        """Copy the newest model; the platform does the packing."""
        self.model_changed()


def run_job(job: TrainingJob, host: str, prefix: Prefix) -> int:
    """Train on the machine named ``host``, write the report, and return the exit status; 143 after SIGTERM."""
    folder = JobFolders(
        path=prefix.output_data,
        checkpoint_folder=prefix.checkpoints,
        published=prefix.model,
        job_name=os.environ.get(JOB_NAME_VARIABLE) or "training job",
        machine=host,
    )
    if is_first_process():
        # After a spot interruption: the best model so far comes back with the checkpoints.
        folder.model_changed()
    try:
        result = train(job, folder)
    except Terminated as error:
        log.warning("%s: the model so far is in %s, and a restarted job goes on from here", error, prefix.model)
        return error.status
    if is_first_process():
        _leave_report(result)
    return 0


def _leave_report(result: RunResult) -> None:
    for name, value in result.metrics.items():
        log.info("Final validation %s of the model that was kept: %.6g", name, value)
    if not result.job.run.report:
        return
    try:
        log.info("Report: %s", write_run_report(result))
    except Exception:
        # A failed report must not lose the trained model.
        log.exception("the report could not be drawn; the model is not affected")
