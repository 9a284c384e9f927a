"""Hyperparameters of object detection: the table of the SageMaker documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vision.settings.form import Form
from vision.settings.hyperparameters import KeyValueStoreHyperparameters, StepScheduleHyperparameters, Tunable
from vision.settings.nearest import shown
from vision.settings.table import Rule
from vision.training.optimizer import offered

LABEL_HEADER = 2
LABEL_PER_OBJECT = 5
_OPTIMIZERS = offered(
    sgd="learning_rate momentum weight_decay", adam="learning_rate", rmsprop="learning_rate weight_decay", adadelta=""
)

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(_OPTIMIZERS)]


def _pattern_problem(given: ObjectDetectionHyperparameters) -> str | None:
    if given.freeze_layer_pattern is None:
        return None
    try:
        re.compile(given.freeze_layer_pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return (
            f"Hyperparameter freeze_layer_pattern is {shown(given.freeze_layer_pattern)}, which is no regular"
            f" expression ({error}): give for example freeze_layer_pattern=^(conv1_|conv2_).*"
        )
    return None


class ObjectDetectionHyperparameters(KeyValueStoreHyperparameters, StepScheduleHyperparameters):
    """The documented names, defaults and ranges, and nms_topk, which AWS leaves undocumented."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *StepScheduleHyperparameters.RULES,
        Rule(("freeze_layer_pattern",), _pattern_problem),
    )
    FOREIGN: ClassVar[Mapping[str, str]] = {
        **StepScheduleHyperparameters.FOREIGN,
        "resize": "belongs to image classification: object detection scales images to image_shape itself, so leave it"
        " out.",
        "augmentation_type": "belongs to image classification: object detection always augments; leave it out.",
        "num_layers": "belongs to image classification: object detection takes base_network=resnet-50 instead.",
        "top_k": "belongs to image classification: leave it out, or give nms_topk (detections per image).",
    }
    OPTIMIZER_USES: ClassVar[dict[str, frozenset[str]]] = _OPTIMIZERS

    num_classes: int = Field(
        ge=1, description="classes of objects; background is added by itself; counted if left out", examples=[20]
    )
    base_network: Literal["vgg-16", "resnet-50", "resnet-18", "resnet-34"] = Field(
        default="vgg-16",
        description="network under the detector; resnet-18 and resnet-34 are ours, light ones for CPUs",
    )
    image_shape: int = Field(
        default=300,
        ge=300,
        description="side in pixels of the square that images are scaled to; 300 and 512 are usual",
    )
    mini_batch_size: Annotated[int, Tunable("integer", 8, 64)] = Field(
        default=32, ge=1, description="images per step and machine, shared out among its GPUs"
    )
    optimizer: Annotated[OptimizerName, Tunable("categorical", choices=("sgd", "adam", "rmsprop", "adadelta"))] = Field(
        default="sgd", description="update rule"
    )
    learning_rate: Annotated[float, Tunable("continuous", 1e-6, 0.5, scale="log")] = Field(
        default=0.001,
        gt=0,
        le=1,
        description="initial learning rate, of a loss a quarter of torchvision's (0.001 acts like its 0.00025); "
        "adadelta has none",
    )
    momentum: Annotated[float, Tunable("continuous", 0.0, 0.999)] = Field(
        default=0.9, gt=0, le=1, description="momentum of sgd"
    )
    weight_decay: Annotated[float, Tunable("continuous", 0.0, 0.999)] = Field(
        default=0.0005, gt=0, lt=1, description="weight decay of sgd, rmsprop and adamw"
    )
    lr_scheduler_factor: float = Field(
        default=0.1, gt=0, lt=1, description="what the learning rate is multiplied by at each of lr_scheduler_step"
    )
    use_pretrained_model: bool = Field(
        default=True, description="start the base network from ImageNet weights", json_schema_extra={"as_digit": True}
    )
    freeze_layer_pattern: str | None = Field(
        default=None,
        description="regular expression; parameters of the base network that it matches are not trained",
        examples=["^(conv1_|conv2_).*"],
        json_schema_extra={"note": "a regular expression"},
    )
    label_width: int = Field(
        default=350,
        ge=LABEL_HEADER + LABEL_PER_OBJECT,
        description="numbers in the longest label, 2 + 5 an object; only checked against the data",
    )
    nms_threshold: float = Field(
        default=0.45, gt=0, le=1, description="overlap (IoU) above which the weaker of two detections is dropped"
    )
    nms_topk: int = Field(
        default=400, ge=1, description="best detections of an image that enter non-maximum suppression; undocumented"
    )
    overlap_threshold: float = Field(
        default=0.5, gt=0, le=1, description="overlap (IoU) from which a detection counts as right in evaluation"
    )

    @property
    def objectives(self) -> tuple[str, ...]:
        return ("mAP", "mAP_11point", "coco_mAP", "coco_mAP_50", "coco_mAP_75")

    @classmethod
    def read_text(cls, name: str, form: Form, value: object) -> object:
        # The console sends "false" for an empty pattern when a job is cloned.
        if name == "freeze_layer_pattern" and str(value).strip().lower() in ("", "false"):
            return None
        return super().read_text(name, form, value)

    def warnings(self) -> list[str]:
        found = super().warnings()
        if self.freeze_layer_pattern is not None and not self.use_pretrained_model:
            found.append(
                "Hyperparameter freeze_layer_pattern freezes layers while use_pretrained_model is 0; unless a"
                " model channel is given, their weights stay random."
            )
        return found

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        if name == "image_shape" and ("," in str(value) or isinstance(value, list | tuple)):
            return (
                f"Hyperparameter image_shape is {shown(value)} but object detection takes one integer of at"
                " least 300, the side of a square: give for example image_shape=300."
            )
        return super().hint(name, value)
