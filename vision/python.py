"""The Python front door: what ``vision.fit`` and its neighbours are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vision import algorithms, api
from vision.api import CrossValidation, Model, RunResult
from vision.data.counting import print_counts, with_counts
from vision.metrics.bootstrap import Comparison
from vision.metrics.evaluation import Evaluation
from vision.settings.channels import needed_channels, parse_channels
from vision.settings.errors import SettingsError
from vision.settings.job import Job, TrainingJob
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds


def fit(
    algorithm: str,
    channels: Mapping[str, object],
    *,
    run: Mapping[str, object] | None = None,
    **hyperparameters: object,
) -> RunResult:
    """Train a model as ``vision train`` does, report included.

    ``algorithm`` is the name of one, with underscores. ``channels`` maps SageMaker's channel names to
    paths (or to mappings with ``path`` and ``content_type``). ``run`` holds the run settings by name. The keywords
    are SageMaker's hyperparameters, typed or as texts; the counts ``num_classes`` and ``num_training_samples`` may be
    left out and are then counted, which a line on stderr says. Raises ``vision.settings.errors.UserError``, whose text
    says what to change.

    >>> result = vision.fit("image_classification", {"train": "train.rec", "validation": "test.rec"},
    ...                     num_layers=20, image_shape="3,28,28")
    >>> result.metrics["accuracy"]
    """
    job = _job(algorithm, channels, run or {}, hyperparameters)
    if job.run.folds is not None:
        raise SettingsError(["Setting run.folds is not for vision.fit: call vision.cross_validate, or leave it out."])
    result = api.train(job)
    if job.run.report:
        from vision.reports.report import write_run_report

        write_run_report(result)
    return result


def cross_validate(
    algorithm: str,
    channels: Mapping[str, object],
    *,
    folds: int = 5,
    run: Mapping[str, object] | None = None,
    **hyperparameters: object,
) -> CrossValidation:
    """Train once for each fold of the channel ``train``, validated on that fold, as ``run.folds`` does.

    The other arguments and the errors are those of ``fit``; the result has the mean and spread of each metric.

    >>> vision.cross_validate("image_classification", {"train": "few.rec"}, num_layers=20).mean("accuracy")
    """
    return api.cross_validate(_job(algorithm, channels, {**(run or {}), "folds": folds}, hyperparameters))


def _job(
    algorithm: str,
    channels: Mapping[str, object],
    run: Mapping[str, object],
    hyperparameters: Mapping[str, object],
) -> TrainingJob:
    facts = algorithms.facts_of(algorithm)
    declared = needed_channels(facts.channels, run)
    counted = with_counts(hyperparameters, channels, facts.label_suffixes("train"))
    job = Job.parse(facts.name, facts.hyperparameters, counted, channels, run, declared)
    print_counts(hyperparameters, counted)
    return job


def evaluate(
    model: str | Path,
    channels: Mapping[str, object],
    *,
    run: Mapping[str, object] | None = None,
    threshold: float | str | None = None,
    thresholds: Mapping[str, object] | None = None,
) -> Evaluation:
    """Evaluate a model folder, model.tar.gz or run folder on the ``validation`` channel, as training does.

    Labels count from the score of their best F1 on, or from ``threshold`` (or "model": those that training stored),
    or from those that ``thresholds`` has by label.
    """
    located, settings = (
        parse_channels(channels, ("validation",), algorithms.channel_names()),
        RunSettings.parse(run or {}),
    )
    return api.evaluate(model, located, settings, Thresholds.parse(threshold, thresholds))


def compare(
    model: str | Path,
    other: str | Path,
    channels: Mapping[str, object],
    *,
    run: Mapping[str, object] | None = None,
    resamples: int = 2000,
) -> Comparison:
    """Measure two models of the same classes on the ``validation`` channel: which is better, and how sure is that?

    Intervals are 95 % ones of the paired bootstrap over images, from ``resamples`` draws of at least 100.

    >>> decisive = vision.compare("runs/first", "runs/second", {"validation": "test.rec"}).decisive
    >>> decisive.difference.low, decisive.difference.high
    """
    if resamples < 100:
        raise SettingsError([f"Setting resamples is {resamples!r}: give an integer of at least 100."])
    given = parse_channels(channels, ("validation",), algorithms.channel_names())
    return api.compare(model, other, given, RunSettings.parse(run or {}), resamples)


def load(model: str | Path, *, run: Mapping[str, object] | None = None) -> Model:
    """Load a model folder, model.tar.gz or run folder, ready to ``predict``.

    >>> model = vision.load("runs/first")
    >>> best = model.predict("cat.jpg")[0]
    >>> model.class_names[best.class_id], best.score
    """
    return api.load(model, RunSettings.parse(run or {}))


__all__ = ["compare", "cross_validate", "evaluate", "fit", "load"]
