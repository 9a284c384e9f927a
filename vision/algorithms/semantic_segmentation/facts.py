"""What semantic segmentation declares. Source: SageMaker's documentation of the built-in algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vision.algorithms.facts import AlgorithmFacts, Capabilities, MetricDefinition, MetricFacts, Objective
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.settings.channels import LABEL_MAP, MODEL, ChannelFacts

if TYPE_CHECKING:
    from vision.algorithms.plan import Plan
    from vision.data.look import DataLook
    from vision.settings.device import Machine

_QUALITY = r"#quality_metric\. host: \S+, epoch: \S+,"
_THROUGHPUT = r"#throughput_metric\. host: \S+, epoch: \S+,"
_MASK = ".png"
# What the names of figures begin with that were measured as an endpoint answers, where training measures crops.
WHOLE_IMAGES = "whole_images_"


def _plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    # NumPy is loaded where the settings are asked for: facts are read before every command.
    from vision.algorithms.semantic_segmentation.plan import plan

    return plan(look, machine, given)


FACTS = AlgorithmFacts(
    name="semantic_segmentation",
    title="Semantic Segmentation",
    summary="which class each pixel of an image shows: FCN, PSPNet or DeepLab V3 on a ResNet",
    hyperparameters=SemanticSegmentationHyperparameters,
    objective=Objective("mIOU", "validation:mIOU"),
    metrics=(
        MetricFacts("loss", "loss", is_share=False, higher_is_better=False),
        MetricFacts("cross_entropy", "cross entropy", is_share=False, higher_is_better=False),
        MetricFacts("auxiliary", "auxiliary loss", is_share=False, higher_is_better=False, is_drawn=False),
        MetricFacts("mIOU", "mean IoU"),
        MetricFacts("mIOU_present", "mean IoU of the classes that occur"),
        MetricFacts("pixel_accuracy", "pixel accuracy"),
        MetricFacts(f"{WHOLE_IMAGES}mIOU", "mean IoU on whole images"),
        MetricFacts(f"{WHOLE_IMAGES}mIOU_present", "mean IoU on whole images, of the classes that occur"),
        MetricFacts(f"{WHOLE_IMAGES}pixel_accuracy", "pixel accuracy on whole images"),
    ),
    metric_definitions=(
        MetricDefinition("train:loss", rf"{_QUALITY} train loss: (\S+)"),
        MetricDefinition("train:throughput", rf"{_THROUGHPUT} train throughput: (\S+) samples/sec"),
        MetricDefinition("train:progress", r"#progress_metric: host=\S+, completed (\S+) % of epochs"),
        MetricDefinition("validation:throughput", rf"{_THROUGHPUT} validation throughput: (\S+) samples/sec"),
        MetricDefinition("validation:mIOU", rf"{_QUALITY} validation mIOU: (\S+)"),
        MetricDefinition("validation:pixel_accuracy", rf"{_QUALITY} validation pixel_accuracy: (\S+)"),
    ),
    channels=(
        ChannelFacts("train", "training images: a folder of JPEGs or PNGs, or an augmented manifest", required=True),
        ChannelFacts("validation", "validation images, in the same forms", required=True),
        ChannelFacts(
            "train_annotation", "the masks of train: a PNG of the same name for each image", label_suffixes=(_MASK,)
        ),
        ChannelFacts("validation_annotation", "the masks of validation, in the same form", label_suffixes=(_MASK,)),
        ChannelFacts(LABEL_MAP, "which pixel is which class: train_label_map.json and validation_label_map.json"),
        MODEL,
    ),
    label_tasks=("mask",),
    answer_forms=(
        "image/png",
        "application/x-recordio-protobuf",
        "application/x-protobuf",
        "application/x-recordio",
        "application/json",
        "application/jsonlines",
        "application/x-npy",
        "image/png;colored",
    ),
    capabilities=Capabilities(sample_data=True, label_smoothing=True, embedding=True, uncertainty=True),
    must_match=("backbone", "algorithm", "crop_size", "num_classes"),
    measured_by=("crop_size", "validation_mini_batch_size"),
    plan=_plan,
)
