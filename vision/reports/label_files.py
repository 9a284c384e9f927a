"""The files that Rekognition Custom Labels leaves after an evaluation, beside a report or a JSON file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from vision.data.sample import Reader
from vision.metrics.evaluation import Evaluation
from vision.reports.evaluation_manifest import write_manifest
from vision.reports.evaluation_summary import write_summary
from vision.reports.model_version import ModelVersion, run_name
from vision.settings.errors import DataError

if TYPE_CHECKING:
    from vision.api import EvaluatedModel, RunResult

log = logging.getLogger(__name__)


def write_run_files(folder: Path, result: RunResult) -> None:
    """Of the evaluation at the end of a run."""
    num_images = result.job.hyperparameters.num_training_samples
    version = ModelVersion.now(result.job.algorithm, result.folder.name, num_images)
    write_label_files(folder, result.evaluation, version, result.validation)


def write_evaluation_files(folder: Path, evaluated: EvaluatedModel, model: Path) -> list[Path]:
    """Of an evaluation of ``model``, a path. Returns what was written."""
    stored = evaluated.stored
    num_images = int(stored.hyperparameters.get("num_training_samples", 0))
    version = ModelVersion.now(stored.algorithm, run_name(model), num_images)
    return write_label_files(folder, evaluated.evaluation, version, evaluated.validation)


def write_label_files(folder: Path, evaluation: Evaluation, version: ModelVersion, reader: Reader) -> list[Path]:
    """EvaluationSummary JSON, and the evaluation manifest where the images can be read again."""
    assert evaluation.labels is not None
    written = [write_summary(folder, evaluation.labels, version)]
    try:
        written.append(write_manifest(folder, evaluation.labels, version, reader))
    except DataError as error:
        log.warning("the evaluation manifest was not written: %s", error)
    return written
