"""Trains one job in this process and writes its output where the platform fetches it."""

from __future__ import annotations

import logging
import os
from typing import Any

from vision.api.training_run import RunResult, train
from vision.reports.report import write_run_report
from vision.sagemaker.job_folders import JobFolders
from vision.sagemaker.prefix import Prefix
from vision.settings.job import Job
from vision.training.processes import is_first_process
from vision.training.termination import Terminated

log = logging.getLogger(__name__)

JOB_NAME_VARIABLE = "TRAINING_JOB_NAME"


def run_job(job: Job[Any], host: str, prefix: Prefix) -> int:
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
        # A model that is trained must not be lost for its drawings.
        log.exception("the report could not be drawn; the model is not affected")
