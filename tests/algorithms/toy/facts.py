"""What the toy declares."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vision.algorithms.facts import AlgorithmFacts, Capabilities, MetricDefinition, MetricFacts, Objective
from vision.settings.channels import MODEL, TRAIN, VALIDATION, ChannelFacts
from vision.settings.hyperparameters import TrainingHyperparameters, Tunable

IGNORED = 255


class ToyHyperparameters(TrainingHyperparameters):
    """The smallest table that the shared trainer can work with."""

    OPTIMIZER_USES: ClassVar[dict[str, frozenset[str]]] = {"sgd": frozenset({"learning_rate", "momentum"})}

    mini_batch_size: Annotated[int, Tunable("integer", 2, 8)] = Field(default=4, ge=1, description="images per step")
    optimizer: Literal["sgd"] = Field(default="sgd", description="update rule")
    learning_rate: Annotated[float, Tunable("continuous", 1e-3, 1.0, scale="log")] = Field(
        default=0.5, gt=0, le=1, description="initial learning rate"
    )
    momentum: float = Field(default=0.9, ge=0, le=1, description="momentum of sgd")
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="weight decay of sgd")
    lr_scheduler_factor: float = Field(default=0.1, ge=0, le=1, description="what the rate is multiplied by")
    use_pretrained_model: bool = Field(default=False, description="there are no weights to start from")
    side_px: int = Field(default=16, ge=4, description="side of the square that images are scaled to")


FACTS = AlgorithmFacts(
    name="toy",
    title="Toy Segmentation",
    summary="which pixels are bright: two convolutions",
    hyperparameters=ToyHyperparameters,
    objective=Objective("mIoU", "validation:mIoU"),
    metrics=(
        MetricFacts("loss", "loss", is_share=False, higher_is_better=False),
        MetricFacts("mIoU", "mean IoU"),
        MetricFacts("pixel_accuracy", "pixel accuracy"),
    ),
    metric_definitions=(MetricDefinition("validation:mIoU", r"validation mIoU: ([0-9.eE+-]+)"),),
    channels=(
        TRAIN,
        VALIDATION,
        ChannelFacts("train_annotation", "the masks of train, a PNG for each image", label_suffixes=(".png",)),
        ChannelFacts("validation_annotation", "the masks of validation", label_suffixes=(".png",)),
        ChannelFacts("label_map", "train_label_map.json and validation_label_map.json, each with a scale"),
        MODEL,
    ),
    label_tasks=("mask",),
    answer_forms=("image/png", "application/json"),
    capabilities=Capabilities(),
    must_match=("num_classes", "side_px"),
)
