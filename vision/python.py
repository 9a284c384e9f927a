"""The Python front door: ``vision.fit``, ``vision.evaluate`` and ``vision.load``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vision import algorithms, api
from vision.api import Model, RunResult
from vision.data.counting import with_counts
from vision.metrics.evaluation import Evaluation
from vision.settings.channels import parse_channels
from vision.settings.job import Job
from vision.settings.run import RunSettings


def fit(
    algorithm: str,
    channels: Mapping[str, object],
    *,
    run: Mapping[str, object] | None = None,
    **hyperparameters: object,
) -> RunResult:
    """Train a model as ``vision train`` does, report included.

    ``algorithm`` is "image_classification" or "object_detection". ``channels`` maps SageMaker's channel names to
    paths (or to mappings with ``path`` and ``content_type``). ``run`` holds the run settings by name. The keywords
    are SageMaker's hyperparameters, typed or as texts; the counts ``num_classes`` and ``num_training_samples`` may be
    left out where the data tells them. Raises ``vision.settings.errors.UserError``, whose text says
    what to change.

    >>> result = vision.fit("image_classification", {"train": "train.rec", "validation": "test.rec"},
    ...                     num_classes=10, num_training_samples=50000, num_layers=20, image_shape="3,28,28")
    >>> result.metrics["accuracy"]
    """
    table = algorithms.hyperparameters_class(algorithm)
    counted = with_counts(hyperparameters, channels)
    job = Job.parse(algorithms.full_name(algorithm), table, counted, channels, run or {})
    result = api.train(job)
    if job.run.report:
        from vision.reports.run_report import write_run_report

        write_run_report(result)
    return result


def evaluate(
    model: str | Path, channels: Mapping[str, object], *, run: Mapping[str, object] | None = None
) -> Evaluation:
    """Evaluate a model folder, model.tar.gz or run folder on the ``validation`` channel, as training does."""
    return api.evaluate(model, parse_channels(channels, ("validation",)), RunSettings.parse(run or {}))


def load(model: str | Path, *, run: Mapping[str, object] | None = None) -> Model:
    """Load a model folder, model.tar.gz or run folder, ready to ``predict``.

    >>> model = vision.load("runs/first")
    >>> best = model.predict("cat.jpg")[0]
    >>> model.class_names[best.class_id], best.score
    """
    return api.load(model, RunSettings.parse(run or {}))


__all__ = ["evaluate", "fit", "load"]
