"""What object detection declares. Source: SageMaker's documentation of the built-in algorithm."""

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
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.settings.channels import MODEL, TRAIN, VALIDATION, ChannelFacts

_HOST = r"host=\S+"
_TRAIN_LOSS = rf"#quality_metric: {_HOST}, epoch=\S+, batch=\S+ train "

if TYPE_CHECKING:
    from vision.algorithms.plan import Plan
    from vision.data.look import DataLook
    from vision.settings.device import Machine


def _plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    from vision.algorithms.object_detection.plan import plan

    return plan(look, machine, given)


FACTS = AlgorithmFacts(
    name="object_detection",
    title="Object Detection",
    summary="which objects an image shows and where: SSD on VGG-16 or a ResNet",
    hyperparameters=ObjectDetectionHyperparameters,
    objective=Objective("mAP", "validation:mAP"),
    metrics=(
        MetricFacts("loss", "loss", is_share=False, higher_is_better=False),
        MetricFacts("cross_entropy", "cross entropy", is_share=False, higher_is_better=False),
        MetricFacts("smooth_l1", "smooth L1", is_share=False, higher_is_better=False),
        MetricFacts("mAP", "mAP"),
        MetricFacts("mAP_11point", "mAP 11point"),
        MetricFacts("coco_mAP", "coco mAP"),
        MetricFacts("coco_mAP_50", "coco mAP 50"),
        MetricFacts("coco_mAP_75", "coco mAP 75"),
        MetricFacts("calibration_error", "calibration error", higher_is_better=False, is_drawn=False),
    ),
    metric_definitions=(
        MetricDefinition("train:progress", rf"#progress_metric: {_HOST}, completed (\S+) %"),
        MetricDefinition("train:smooth_l1", rf"{_TRAIN_LOSS}smooth_l1 <loss>=(\S+)"),
        MetricDefinition("train:cross_entropy", rf"{_TRAIN_LOSS}cross_entropy <loss>=(\S+)"),
        MetricDefinition("train:throughput", rf"#throughput_metric: {_HOST}, train throughput=(\S+) records/second"),
        MetricDefinition("validation:mAP", rf"#quality_metric: {_HOST}, epoch=\S+, validation mAP <score>=\((\S+)\)"),
    ),
    channels=(
        TRAIN,
        VALIDATION,
        ChannelFacts("train_lst", "the .lst file that labels the images of train"),
        ChannelFacts("validation_lst", "the .lst file that labels the images of validation"),
        ChannelFacts("train_annotation", "the JSON annotations of the images of train", label_suffixes=(".json",)),
        ChannelFacts(
            "validation_annotation", "the JSON annotations of the images of validation", label_suffixes=(".json",)
        ),
        MODEL,
    ),
    label_tasks=("boxes",),
    answer_forms=(
        "application/json",
        "application/jsonlines",
        "application/json;annotation=1",
        "application/json;verbose",
        "application/jsonlines;verbose",
        "application/json;annotation=1;verbose",
    ),
    capabilities=Capabilities(
        decoded_cache=True,
        detect_custom_labels=True,
        onnx_pipeline=True,
        mxnet_export=True,
        balanced_sampling=True,
        sample_data=True,
        embedding=True,
        uncertainty=True,
    ),
    must_match=("base_network", "num_classes"),
    plan=_plan,
)
