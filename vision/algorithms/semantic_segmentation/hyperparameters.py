"""Hyperparameters of semantic segmentation: the table of the SageMaker documentation, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vision.settings.class_weights import BALANCED, NOTE, weights_problem
from vision.settings.hyperparameters import StepScheduleHyperparameters, TrainingHyperparameters, Tunable
from vision.settings.table import Rule
from vision.training.optimizer import offered

# Networks halve a side three times: their outputs have one cell for 8 x 8 pixels.
CROP_MULTIPLE_PX = 8
_PUBLISHED_DEPTHS_COCO = ("resnet-50", "resnet-101")
# What the documentation calls otherwise than the other algorithms'.
_RULE_NAMES = {"gamma1": "gamma"}
_OPTIMIZERS = offered(
    sgd="learning_rate momentum weight_decay",
    adam="learning_rate",
    adagrad="learning_rate",
    nag="learning_rate momentum weight_decay",
    rmsprop="learning_rate gamma gamma2",
)
_OPTIMIZERS["rmsprop"] = frozenset({"learning_rate", "gamma1", "gamma2"})

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(_OPTIMIZERS)]


def _steps_problem(given: SemanticSegmentationHyperparameters) -> str | None:
    if given.lr_scheduler != "step" or given.lr_scheduler_step:
        return None
    return (
        "Hyperparameter lr_scheduler is step, but lr_scheduler_step is left out: give the epochs after which the"
        " learning rate drops, for example lr_scheduler_step=10,20, or lr_scheduler=poly."
    )


def _weights_problem(given: SemanticSegmentationHyperparameters) -> str | None:
    return weights_problem(given.NOUN, given.class_weights)


def _coco_problem(given: SemanticSegmentationHyperparameters) -> str | None:
    if given.pretrained_on != "coco" or not given.use_pretrained_model or given.backbone in _PUBLISHED_DEPTHS_COCO:
        return None
    return (
        f"Hyperparameter pretrained_on is coco but backbone is {given.backbone}, for which no such weights exist: give"
        " backbone=resnet-50 or resnet-101, or pretrained_on=imagenet."
    )


class SemanticSegmentationHyperparameters(StepScheduleHyperparameters):
    """The documented names, defaults and ranges; auxiliary loss, class weights, COCO weights and small backbones."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *StepScheduleHyperparameters.RULES,
        Rule(("lr_scheduler", "lr_scheduler_step"), _steps_problem),
        Rule(("class_weights",), _weights_problem),
        Rule(("pretrained_on", "use_pretrained_model", "backbone"), _coco_problem),
    )
    FOREIGN: ClassVar[Mapping[str, str]] = {
        **StepScheduleHyperparameters.FOREIGN,
        "image_shape": "belongs to the other algorithms: semantic segmentation is trained on crops of crop_size pixels,"
        " after the long side was scaled to about base_size, so give these.",
        "num_layers": "belongs to image classification: semantic segmentation takes backbone=resnet-50 instead.",
        "base_network": "belongs to object detection: semantic segmentation calls it backbone.",
        "_aux_loss": "is called aux_loss here.",
        "_aux_weight": "is called aux_weight here.",
    }
    IGNORED: ClassVar[frozenset[str]] = StepScheduleHyperparameters.IGNORED | {
        "_workers",
        "_hybrid",
        "_augmentation_type",
        "_logging_frequency",
    }
    SCHEDULE_SETTINGS: ClassVar[frozenset[str]] = StepScheduleHyperparameters.SCHEDULE_SETTINGS | {"lr_scheduler"}
    OPTIMIZER_USES: ClassVar[dict[str, frozenset[str]]] = _OPTIMIZERS

    num_classes: int = Field(
        ge=2,
        le=254,
        description="classes of pixels, the background included if it is one; counted if left out",
        examples=[21],
    )
    algorithm: Literal["fcn", "psp", "deeplab"] = Field(
        default="fcn", description="decoder: fully convolutional, PSPNet's pyramid or DeepLab V3's dilated convolutions"
    )
    backbone: Literal["resnet-50", "resnet-101", "resnet-18", "resnet-34"] = Field(
        default="resnet-50",
        description="network under the decoder; resnet-18 and resnet-34 are ours, light ones for CPUs",
    )
    use_pretrained_model: bool = Field(default=True, description="start the backbone from ImageNet weights")
    pretrained_on: Literal["imagenet", "coco"] = Field(
        default="imagenet", description="ours: coco starts the decoder, too, from torchvision's weights of 21 classes"
    )
    base_size: int = Field(
        default=520, gt=16, description="pixels of the long side before training crops, times a random 0.5 to 2"
    )
    crop_size: int = Field(
        default=240, gt=16, description="side in pixels of the square training crops; rounded up to a multiple of 8"
    )
    epochs: int = Field(default=10, ge=1, description="passes over the training set")
    mini_batch_size: Annotated[int, Tunable("integer", 1, 128)] = Field(
        default=16, ge=1, description="images per step and machine, shared out among its GPUs"
    )
    validation_mini_batch_size: int = Field(
        default=16, ge=1, description="images of a validation batch, as crops of crop_size; 1 takes whole images"
    )
    optimizer: Annotated[OptimizerName, Tunable("categorical", choices=("sgd", "adam"))] = Field(
        default="sgd", description="update rule; nag is SGD with Nesterov's momentum"
    )
    learning_rate: Annotated[float, Tunable("continuous", 1e-4, 1e-1, scale="log")] = Field(
        default=0.001, gt=0, le=1, description="initial learning rate of the backbone; the decoder's is ten times it"
    )
    momentum: Annotated[float, Tunable("continuous", 0.9, 0.999)] = Field(
        default=0.9, gt=0, le=1, description="momentum of sgd and nag"
    )
    weight_decay: Annotated[float, Tunable("continuous", 1e-5, 1e-3, scale="log")] = Field(
        default=0.0001, gt=0, lt=1, description="weight decay of sgd, nag and adamw"
    )
    gamma1: float = Field(default=0.9, ge=0, le=1, description="rmsprop's decay of the squared-gradient average")
    gamma2: float = Field(default=0.9, ge=0, le=1, description="momentum of rmsprop")
    lr_scheduler: Literal["poly", "cosine", "step"] = Field(
        default="poly", description="how the learning rate falls over the run"
    )
    lr_scheduler_factor: float = Field(
        default=0.1, ge=0, le=1, description="what the learning rate is multiplied by at each of lr_scheduler_step"
    )
    early_stopping_min_epochs: int = Field(default=5, ge=1, description="epochs that always run")
    early_stopping_patience: int = Field(default=4, ge=1, description="epochs without improvement before stopping")
    syncbn: bool = Field(
        default=False, description="share the statistics of batch normalization among GPUs in training"
    )
    precision_dtype: Literal["float32", "float16"] = Field(
        default="float32", description="precision of training; undocumented"
    )
    aux_loss: bool = Field(
        default=True, description="ours: train a second, small decoder on the third stage of the backbone, too"
    )
    aux_weight: float = Field(default=0.5, ge=0, le=1, description="ours: what the loss of that decoder counts")
    class_weights: str | None = Field(
        default=None,
        description="ours: what the loss of each class counts; balanced: the rarer a class in training, the more",
        examples=["0.5,1,2", BALANCED],
        json_schema_extra={"note": NOTE},
    )

    @property
    def crop_px(self) -> int:
        """Side of the crops that are used, in pixels."""
        return -(-self.crop_size // CROP_MULTIPLE_PX) * CROP_MULTIPLE_PX

    @property
    def validates_whole_images(self) -> bool:
        """Whether validation measures whole images, not crops."""
        return self.validation_mini_batch_size == 1

    def optimizer_settings(self) -> dict[str, float]:
        return {_RULE_NAMES.get(name, name): value for name, value in super().optimizer_settings().items()}

    @property
    def validation_batch(self) -> int:
        return self.validation_mini_batch_size

    @property
    def objectives(self) -> tuple[str, ...]:
        return ("mIOU", "mIOU_present", "pixel_accuracy")

    @property
    def class_weighing(self) -> str | None:
        return "hp.class_weights"

    @property
    def sync_batch_norm(self) -> bool:
        return self.syncbn

    @property
    def schedule(self) -> str:
        return self.lr_scheduler

    @property
    def precision(self) -> str:
        return self.precision_dtype

    def warnings(self) -> list[str]:
        if self.lr_scheduler == "step":
            found = super().warnings()
        else:
            found = TrainingHyperparameters.warnings(self)
            for name in ("lr_scheduler_factor", "lr_scheduler_step"):
                if name in self.model_fields_set:
                    found.append(f"Hyperparameter {name} has no effect unless lr_scheduler=step.")
        if self.crop_px != self.crop_size:
            found.append(
                f"Hyperparameter crop_size is {self.crop_size}; crops are {self.crop_px} pixels wide and high, the next"
                f" multiple of {CROP_MULTIPLE_PX}."
            )
        if self.mini_batch_size == 1 and self.algorithm != "fcn":
            found.append(
                f"Hyperparameter mini_batch_size is 1; {self.algorithm} averages over the whole image, and with one"
                " image that branch trains without statistics of batch normalization: give at least 2."
            )
        if "aux_weight" in self.model_fields_set and not self.aux_loss:
            found.append("Hyperparameter aux_weight has no effect unless aux_loss=True.")
        if self.pretrained_on == "coco" and not self.use_pretrained_model:
            found.append("Hyperparameter pretrained_on has no effect unless use_pretrained_model=True.")
        return found
