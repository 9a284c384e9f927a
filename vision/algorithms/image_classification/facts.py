"""What image classification declares. Source: SageMaker's documentation of the built-in algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vision.algorithms.facts import (
    AlgorithmFacts,
    Capabilities,
    MetricDefinition,
    MetricFacts,
    Objective,
)
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.settings.channels import MODEL, TRAIN, VALIDATION, ChannelFacts

if TYPE_CHECKING:
    from vision.algorithms.plan import Plan
    from vision.data.look import DataLook
    from vision.settings.device import Machine

_NUMBER = r"([0-9.eE+-]+)"


def _plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    from vision.algorithms.image_classification.plan import plan

    return plan(look, machine, given)


FACTS = AlgorithmFacts(
    name="image_classification",
    title="Image Classification",
    summary="which classes an image shows: a ResNet, from scratch, pretrained or continued",
    hyperparameters=ImageClassificationHyperparameters,
    objective=Objective("accuracy", "validation:accuracy"),
    metrics=(
        MetricFacts("loss", "loss", is_share=False, higher_is_better=False),
        MetricFacts("accuracy", "accuracy"),
        MetricFacts("top_k_accuracy_", "top-{} accuracy"),
        MetricFacts("mAP", "mAP"),
        MetricFacts("macro_f1", "macro F1", is_drawn=False),
        MetricFacts("micro_f1", "micro F1", is_drawn=False),
        MetricFacts("macro_precision", "macro precision", is_drawn=False),
        MetricFacts("macro_recall", "macro recall", is_drawn=False),
        MetricFacts("calibration_error", "calibration error", higher_is_better=False, is_drawn=False),
    ),
    metric_definitions=(
        MetricDefinition("train:accuracy", rf"Epoch\[\d+\] Train-accuracy={_NUMBER}"),
        MetricDefinition("validation:accuracy", rf"Epoch\[\d+\] Validation-accuracy={_NUMBER}"),
        MetricDefinition("train:throughput", rf"Speed: {_NUMBER} samples/sec"),
    ),
    channels=(
        TRAIN,
        VALIDATION,
        ChannelFacts("train_lst", "the .lst file that labels the images of train"),
        ChannelFacts("validation_lst", "the .lst file that labels the images of validation"),
        MODEL,
    ),
    label_tasks=("single", "multi"),
    answer_forms=(
        "application/json",
        "application/jsonlines",
        "application/json;verbose",
        "application/jsonlines;verbose",
    ),
    capabilities=Capabilities(
        decoded_cache=True,
        dali=True,
        detect_custom_labels=True,
        mxnet_export=True,
        sample_data=True,
        embedding=True,
        uncertainty=True,
        label_smoothing=True,
        mixing=True,
        balanced_sampling=True,
        backbones=True,
    ),
    must_match=("num_layers", "image_shape", "num_classes", "multi_label"),
    measured_by=("multi_label",),
    # Depth and epochs have no meaning there; the others say how images are prepared.
    baseline={"image_shape": "3,128,128", "resize": "128", "num_layers": "18", "epochs": "1"},
    plan=_plan,
)
