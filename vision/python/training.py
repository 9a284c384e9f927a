"""Trains models in Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

from rich.console import Console

from vision import api
from vision.api.training_run import OwnParts
from vision.nn.backbones import own_backbone, own_network
from vision.python.job import augmentation_of, job_of
from vision.python.model import become
from vision.python.notebook import NotebookDisplay, is_notebook
from vision.python.results import CrossValidationResult, EvaluationResult, TrainingResult
from vision.settings.errors import SettingsError
from vision.training.progress_display import BarDisplay, Display

if TYPE_CHECKING:
    import albumentations as A
    import pytorch_lightning as pl
    from torch import nn

    from vision.python.keywords import (
        AnyKeywords,
        ImageClassificationKeywords,
        ObjectDetectionKeywords,
        RunKeywords,
        SemanticSegmentationKeywords,
    )

    Channels = Mapping[str, object] | str | Path | None
    Run = RunKeywords | Mapping[str, object] | None
    Callbacks = Sequence[pl.Callback]


@overload
def fit(
    algorithm: Literal["image_classification"],
    channels: Channels,
    /,
    *,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    **keywords: Unpack[ImageClassificationKeywords],
) -> TrainingResult: ...
@overload
def fit(
    algorithm: Literal["object_detection"],
    channels: Channels,
    /,
    *,
    callbacks: Callbacks = (),
    **keywords: Unpack[ObjectDetectionKeywords],
) -> TrainingResult: ...
@overload
def fit(
    algorithm: Literal["semantic_segmentation"],
    channels: Channels,
    /,
    *,
    callbacks: Callbacks = (),
    **keywords: Unpack[SemanticSegmentationKeywords],
) -> TrainingResult: ...
@overload
def fit(
    data: str | Path,
    channels: Channels = None,
    /,
    *,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    **keywords: Unpack[AnyKeywords],
) -> TrainingResult: ...
def fit(
    data: str | Path,
    channels: Channels = None,
    /,
    *,
    recipe: str | Path | None = None,
    hyperparameters: Mapping[str, object] | None = None,
    run: Run = None,
    transform: A.BasicTransform | A.BaseCompose | None = None,
    network: nn.Module | None = None,
    callbacks: Callbacks = (),
    **keywords: object,
) -> TrainingResult:
    """Train a model as ``vision train`` does, report included.

    ``data`` is the path of labeled images, whose validation part may be a second path, or the name of an algorithm,
    with underscores. Behind a name ``channels`` is a path, too, or maps SageMaker's channel names to paths (or to
    mappings with ``path`` and ``content_type``). ``recipe`` chooses what is not given: "auto" by the data (where no
    algorithm is named), "sagemaker" leaves all to the documented defaults (where one is), or the path of a YAML file.
    What it chooses is printed on stderr, and is ``proposal`` of the result.

    The keywords are SageMaker's hyperparameters, typed or as texts, which ``hyperparameters`` takes as a mapping, too;
    the counts ``num_classes`` and ``num_training_samples`` may be left out and are then counted, which a line on
    stderr says. ``run`` holds the run settings by name. ``transform`` is an albumentations pipeline for training
    images, whose boxes and masks follow; it becomes ``run.augmentation`` in the settings of the run. ``network`` turns
    float32 [N, 3, H, W], normalized by ImageNet's mean and deviation, into logits [N, classes] and is trained in place
    of the algorithm's own (image classification). ``callbacks`` are Lightning's. Progress is a bar on a terminal and in
    a notebook, and a line for each epoch elsewhere; ``run={"progress": "plain"}`` prints the lines of SageMaker's
    container. Raises ``vision.UserError``, whose text says what to change.

    >>> result = vision.fit("photos")
    >>> result.metrics["accuracy"]
    >>> result.model.predict("cat.jpg")[0].label
    >>> vision.fit("image_classification", {"train": "train.rec", "validation": "test.rec"}, num_layers=20)
    """
    given = dict(run or {})
    own = augmentation_of(transform, given)
    if network is not None:
        if given.get("backbone") is not None:
            raise SettingsError(["Setting run.backbone and network= both name the network: give one of them."])
        own["backbone"] = own_backbone(network)
    job, proposal = job_of(data, channels, recipe, {**(hyperparameters or {}), **keywords}, given, own)
    if job.run.folds is not None:
        raise SettingsError(["Setting run.folds is not for vision.fit: call vision.cross_validate, or leave it out."])
    with own_network(network):
        found = api.train(job, own=OwnParts(tuple(callbacks), lambda: _display(job.run.log_every_steps)))
        if job.run.report:
            from vision.reports.report import write_run_report

            write_run_report(found)
    evaluation = become(EvaluationResult, found.evaluation)
    return become(TrainingResult, found, evaluation=evaluation, network=network, proposal=proposal)


@overload
def cross_validate(
    algorithm: Literal["image_classification"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    **keywords: Unpack[ImageClassificationKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    algorithm: Literal["object_detection"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    **keywords: Unpack[ObjectDetectionKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    algorithm: Literal["semantic_segmentation"],
    channels: Channels,
    /,
    *,
    folds: int = 5,
    **keywords: Unpack[SemanticSegmentationKeywords],
) -> CrossValidationResult: ...
@overload
def cross_validate(
    data: str | Path, channels: Channels = None, /, *, folds: int = 5, **keywords: Unpack[AnyKeywords]
) -> CrossValidationResult: ...
def cross_validate(
    data: str | Path,
    channels: Channels = None,
    /,
    *,
    folds: int = 5,
    recipe: str | Path | None = None,
    hyperparameters: Mapping[str, object] | None = None,
    run: Run = None,
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **keywords: object,
) -> CrossValidationResult:
    """Train once for each fold of the channel ``train``, validated on that fold, as ``run.folds`` does.

    The other arguments and the errors are those of ``fit``; the result has the mean and spread of each metric.

    >>> vision.cross_validate("image_classification", {"train": "few.rec"}, num_layers=20).mean("accuracy")
    """
    given = dict(run or {})
    own = {**augmentation_of(transform, given), "folds": folds}
    job, _ = job_of(data, channels, recipe, {**(hyperparameters or {}), **keywords}, given, own, "cross_validate")
    return become(CrossValidationResult, api.cross_validate(job))


def _display(every_batches: int) -> Display:
    """Return what shows the progress of a run to people, rather than to SageMaker's log."""
    if is_notebook():
        return NotebookDisplay(every_batches)
    return BarDisplay(Console(file=sys.stderr, highlight=False), every_batches)
