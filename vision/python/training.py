"""Trains models in Python."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Unpack, overload

from rich.console import Console

from vision import algorithms, api
from vision.api.training_run import OwnParts
from vision.data.counting import print_counts, with_counts
from vision.nn.backbones import own_backbone, own_network
from vision.python.model import become
from vision.python.notebook import NotebookDisplay, is_notebook
from vision.python.results import CrossValidationResult, EvaluationResult, TrainingResult
from vision.settings.channels import needed_channels
from vision.settings.errors import SettingsError
from vision.settings.job import Job, TrainingJob
from vision.training.progress_display import BarDisplay, Display

if TYPE_CHECKING:
    import albumentations as A
    import pytorch_lightning as pl
    from torch import nn

    from vision.python.keywords import (
        ImageClassificationKeywords,
        ObjectDetectionKeywords,
        RunKeywords,
        SemanticSegmentationKeywords,
    )

    Channels = Mapping[str, object]
    Run = RunKeywords | Mapping[str, object] | None
    Callbacks = Sequence[pl.Callback]


@overload
def fit(
    algorithm: Literal["image_classification"],
    channels: Channels,
    /,
    *,
    run: Run = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **hyperparameters: Unpack[ImageClassificationKeywords],
) -> TrainingResult: ...
@overload
def fit(
    algorithm: Literal["object_detection"],
    channels: Channels,
    /,
    *,
    run: Run = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **hyperparameters: Unpack[ObjectDetectionKeywords],
) -> TrainingResult: ...
@overload
def fit(
    algorithm: Literal["semantic_segmentation"],
    channels: Channels,
    /,
    *,
    run: Run = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **hyperparameters: Unpack[SemanticSegmentationKeywords],
) -> TrainingResult: ...
@overload
def fit(
    algorithm: str,
    channels: Channels,
    /,
    *,
    hyperparameters: Mapping[str, object],
    run: Run = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    transform: A.BasicTransform | A.BaseCompose | None = None,
) -> TrainingResult: ...
def fit(
    algorithm: str,
    channels: Channels,
    /,
    *,
    hyperparameters: Mapping[str, object] | None = None,
    run: Run = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **keywords: object,
) -> TrainingResult:
    """Train a model as ``vision train`` does, report included.

    ``algorithm`` is the name of one, with underscores. ``channels`` maps SageMaker's channel names to
    paths (or to mappings with ``path`` and ``content_type``). ``run`` holds the run settings by name. The keywords
    are SageMaker's hyperparameters, typed or as texts, which ``hyperparameters`` takes as a mapping, too; the counts
    ``num_classes`` and ``num_training_samples`` may be left out and are then counted, which a line on stderr says.
    ``network`` turns float32 [N, 3, H, W], normalized by ImageNet's mean and deviation, into logits [N, classes] and
    is trained in place of the algorithm's own (image classification). ``callbacks`` are Lightning's. ``transform`` is
    an albumentations pipeline for training images, whose boxes and masks follow; it becomes ``run.augmentation`` in the
    settings of the run. Progress is a bar on a terminal and in a notebook, and a line for each epoch elsewhere;
    ``run={"progress": "plain"}`` prints the lines of SageMaker's container. Raises ``vision.UserError``, whose text
    says what to change.

    >>> result = vision.fit("image_classification", {"train": "train.rec", "validation": "test.rec"},
    ...                     num_layers=20, image_shape="3,28,28")
    >>> result.metrics["accuracy"]
    >>> result.model.predict("cat.jpg")[0].label
    """
    own = {} if network is None else {"backbone": own_backbone(network)}
    if own and (run or {}).get("backbone") is not None:
        raise SettingsError(["Setting run.backbone and network= both name the network: give one of them."])
    given = with_transform({**(run or {}), **own}, transform)
    job = _job(algorithm, channels, given, {**(hyperparameters or {}), **keywords})
    if job.run.folds is not None:
        raise SettingsError(["Setting run.folds is not for vision.fit: call vision.cross_validate, or leave it out."])
    with own_network(network):
        found = api.train(job, own=OwnParts(tuple(callbacks), lambda: _display(job.run.log_every_steps)))
        if job.run.report:
            from vision.reports.report import write_run_report

            write_run_report(found)
    return become(TrainingResult, found, evaluation=become(EvaluationResult, found.evaluation), network=network)


@overload
def cross_validate(
    algorithm: Literal["image_classification"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    run: Run = None,
    **hyperparameters: Unpack[ImageClassificationKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    algorithm: Literal["object_detection"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    run: Run = None,
    **hyperparameters: Unpack[ObjectDetectionKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    algorithm: Literal["semantic_segmentation"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    run: Run = None,
    **hyperparameters: Unpack[SemanticSegmentationKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    algorithm: str,
    channels: Channels,
    /,
    *,
    hyperparameters: Mapping[str, object],
    folds: int = 5,
    run: Run = None,
) -> CrossValidationResult: ...
def cross_validate(
    algorithm: str,
    channels: Channels,
    /,
    *,
    hyperparameters: Mapping[str, object] | None = None,
    folds: int = 5,
    run: Run = None,
    **keywords: object,
) -> CrossValidationResult:
    """Train once for each fold of the channel ``train``, validated on that fold, as ``run.folds`` does.

    The other arguments and the errors are those of ``fit``; the result has the mean and spread of each metric.

    >>> vision.cross_validate("image_classification", {"train": "few.rec"}, num_layers=20).mean("accuracy")
    """
    job = _job(algorithm, channels, {**(run or {}), "folds": folds}, {**(hyperparameters or {}), **keywords})
    return become(CrossValidationResult, api.cross_validate(job))


def with_transform(
    run: Mapping[str, object], transform: A.BasicTransform | A.BaseCompose | None
) -> Mapping[str, object]:
    """Return run settings in which ``augmentation`` is a pipeline from Python, as albumentations saves it."""
    if transform is None:
        return run
    if run.get("augmentation") is not None:
        raise SettingsError(["Run setting augmentation and argument transform are both given: leave one of them out."])
    import albumentations

    text = io.StringIO()
    try:
        albumentations.save(transform, text)
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        problem = (
            f"Argument transform is no pipeline that albumentations can save ({error}): leave out parts of your own."
        )
        raise SettingsError([problem]) from error
    return {**run, "augmentation": text.getvalue()}


def _job(
    algorithm: str,
    channels: Mapping[str, object],
    run: Mapping[str, object],
    hyperparameters: Mapping[str, object],
) -> TrainingJob:
    facts = algorithms.facts_of(algorithm)
    if not isinstance(channels, Mapping):
        raise SettingsError(
            ['Argument channels must map names to paths: give for example {"train": PATH, "validation": PATH}.']
        )
    declared = needed_channels(facts.channels, run)
    suffixes, shown = facts.label_suffixes("train"), run.get("progress", "auto") in ("auto", "bar")
    counted = with_counts(hyperparameters, channels, suffixes, shows_progress=shown)
    job = Job.parse(facts.name, facts.hyperparameters, counted, channels, run, declared)
    print_counts(hyperparameters, counted)
    return job


def _display(every_batches: int) -> Display:
    """Return what shows the progress of a run to people, rather than to SageMaker's log."""
    if is_notebook():
        return NotebookDisplay(every_batches)
    return BarDisplay(Console(file=sys.stderr, highlight=False), every_batches)
