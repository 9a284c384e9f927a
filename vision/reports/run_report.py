"""The report of a finished run, and of an evaluation: what ``write_report`` needs, gathered from a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vision import algorithms
from vision.api import RunResult, load
from vision.data.image_codec import decode_rgb
from vision.data.sample import Reader
from vision.reports.report import write_report
from vision.settings.errors import DataError


def write_run_report(result: RunResult) -> Path:
    """Draw the report of a run into its ``report`` folder; returns the page's path."""
    algorithm = algorithms.get(result.job.algorithm)
    settings = {
        "algorithm": result.job.algorithm,
        **{f"channels.{name}": str(channel.path) for name, channel in result.job.channels.items()},
        **{f"hp.{name}": value for name, value in result.job.hyperparameters.to_strings().items()},
        **{f"run.{name}": value for name, value in result.job.run.to_strings().items()},
    }
    image_of = image_reader(result.validation)
    return write_report(
        result.folder.report,
        title=f"{algorithm.title}: {result.folder.name}",
        evaluation=load(result.folder.model, result.job.run).explain(result.evaluation, image_of),
        history=result.history,
        settings=settings,
        image_of=image_of,
    )


def image_reader(reader: Reader) -> Callable[[int], np.ndarray | None]:
    """The function index -> image uint8 [H, W, 3] RGB, or None where it cannot be read."""

    def image_of(index: int) -> np.ndarray | None:
        try:
            sample = reader[index]
            return decode_rgb(sample.encoded, sample.key)
        except DataError:
            return None

    return image_of
