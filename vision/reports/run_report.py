"""The report of a finished run, and of an evaluation: what ``write_report`` needs, gathered from a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vision import algorithms
from vision.api import EvaluatedModel, RunResult, load
from vision.api.model import model_of
from vision.data.image_codec import decode_rgb
from vision.data.sample import Reader
from vision.reports.custom_labels_files import run_name, write_evaluation_files, write_run_files
from vision.reports.report import write_report
from vision.settings.errors import DataError
from vision.training.accelerator import choose_device


def write_run_report(result: RunResult) -> Path:
    """Draw the report of a run into its ``report`` folder, with the files of Custom Labels; returns the page's path."""
    algorithm = algorithms.get(result.job.algorithm)
    settings = {
        "algorithm": result.job.algorithm,
        **{f"channels.{name}": str(channel.path) for name, channel in result.job.channels.items()},
        **{f"hp.{name}": value for name, value in result.job.hyperparameters.to_strings().items()},
        **{f"run.{name}": value for name, value in result.job.run.to_strings().items()},
    }
    image_of = image_reader(result.validation)
    page = write_report(
        result.folder.report,
        title=f"{algorithm.facts.title}: {result.folder.name}",
        evaluation=load(result.folder.model, result.job.run).explain(result.evaluation, image_of),
        history=result.history,
        settings=settings,
        image_of=image_of,
    )
    write_run_files(result.folder.report, result)
    return page


def write_evaluation_report(folder: Path, evaluated: EvaluatedModel, model: Path) -> Path:
    """The same of an evaluation of ``model``, a path."""
    answering = model_of(evaluated.stored, str(model), choose_device(evaluated.run))
    image_of = image_reader(evaluated.validation)
    page = write_report(
        folder,
        title=f"{answering.algorithm.facts.title}: {run_name(model)}",
        evaluation=answering.explain(evaluated.evaluation, image_of),
        history=[],
        settings={"model": str(model)},
        image_of=image_of,
    )
    write_evaluation_files(folder, evaluated, model)
    return page


def image_reader(reader: Reader) -> Callable[[int], np.ndarray | None]:
    """The function index -> image uint8 [H, W, 3] RGB, or None where it cannot be read."""

    def image_of(index: int) -> np.ndarray | None:
        try:
            sample = reader[index]
            return decode_rgb(sample.encoded, sample.key)
        except DataError:
            return None

    return image_of
