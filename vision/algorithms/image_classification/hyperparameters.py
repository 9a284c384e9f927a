"""Hyperparameters of image classification: the table of the SageMaker documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vision.settings.hyperparameters import KeyValueStoreHyperparameters, StepScheduleHyperparameters, Tunable
from vision.settings.table import Rule
from vision.training.optimizer import offered

ImageShape = tuple[int, int, int]
IMAGENET_DEPTHS = (18, 34, 50, 101, 152)
SMALL_IMAGE_DEPTHS = (20, 32, 44, 56, 110)
# Up to this height the networks keep the size of their input at first.
SMALL_HEIGHT_PX = 32
_OPTIMIZERS = offered(
    sgd="learning_rate momentum weight_decay",
    adam="learning_rate beta_1 beta_2 eps",
    rmsprop="learning_rate gamma eps",
    nag="learning_rate momentum weight_decay",
)

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(_OPTIMIZERS)]


def _shape_problem(given: ImageClassificationHyperparameters) -> str | None:
    channels, height, width = given.image_shape
    if channels in (1, 3) and height >= 1 and width >= 1:
        return None
    text = f"{channels},{height},{width}"
    fixed = f"{width},{channels},{height}" if width in (1, 3) else "3,224,224"
    return (
        f"Hyperparameter image_shape is {text} but must be channels,height,width with 3 (or 1) channels:"
        f" give for example image_shape={fixed}."
    )


def _resize_problem(given: ImageClassificationHyperparameters) -> str | None:
    longest = max(given.image_shape[1:])
    if given.resize is None or given.resize >= longest:
        return None
    return (
        f"Hyperparameter resize is {given.resize} but must be at least the height and width of image_shape,"
        f" {longest}: give resize={longest} or more, or a smaller image_shape."
    )


def _top_k_problem(given: ImageClassificationHyperparameters) -> str | None:
    if given.top_k is None or given.top_k <= given.num_classes:
        return None
    return (
        f"Hyperparameter top_k is {given.top_k} but must be at most num_classes, {given.num_classes}:"
        f" give a smaller top_k or leave it out."
    )


def _checkpoint_problem(given: ImageClassificationHyperparameters) -> str | None:
    if given.checkpoint_frequency is None or given.checkpoint_frequency <= given.epochs:
        return None
    return (
        f"Hyperparameter checkpoint_frequency is {given.checkpoint_frequency} but must be at most epochs,"
        f" {given.epochs}: give a smaller one, or leave it out to keep the best epoch only."
    )


def _weighted_loss_problem(given: ImageClassificationHyperparameters) -> str | None:
    if not given.use_weighted_loss or given.multi_label:
        return None
    return (
        "Hyperparameter use_weighted_loss is 1 but is allowed with multi_label=1 only: set multi_label=1 if"
        " images have several labels, or use_weighted_loss=0."
    )


def _pretrained_depth_problem(given: ImageClassificationHyperparameters) -> str | None:
    if not given.use_pretrained_model or given.num_layers in IMAGENET_DEPTHS:
        return None
    *others, last = IMAGENET_DEPTHS
    depths = ", ".join(map(str, others))
    return (
        f"Hyperparameter use_pretrained_model is 1 but num_layers is {given.num_layers}, for which no"
        f" ImageNet weights exist: give num_layers {depths} or {last}, or use_pretrained_model=0."
    )


def _pretrained_grey_problem(given: ImageClassificationHyperparameters) -> str | None:
    if not given.use_pretrained_model or given.image_shape[0] != 1:
        return None
    _, height, width = given.image_shape
    return (
        f"Hyperparameter use_pretrained_model is 1 but image_shape has 1 channel and ImageNet weights take 3:"
        f" give image_shape=3,{height},{width} (grey images are repeated in all channels)."
    )


def _average_problem(given: ImageClassificationHyperparameters) -> str | None:
    if not given.optimizer.startswith("adam") or max(given.beta_1, given.beta_2) < 1:
        return None
    name = "beta_1" if given.beta_1 == 1 else "beta_2"
    return (
        f"Hyperparameter {name} is 1, with which {given.optimizer}'s average never takes in a gradient: give less"
        f" than 1, for example {name}={type(given).model_fields[name].default}."
    )


class ImageClassificationHyperparameters(KeyValueStoreHyperparameters, StepScheduleHyperparameters):
    """The documented names, defaults and ranges; nothing of ours."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *StepScheduleHyperparameters.RULES,
        Rule(("image_shape",), _shape_problem),
        Rule(("resize", "image_shape"), _resize_problem),
        Rule(("top_k", "num_classes"), _top_k_problem),
        Rule(("checkpoint_frequency", "epochs"), _checkpoint_problem),
        Rule(("use_weighted_loss", "multi_label"), _weighted_loss_problem),
        Rule(("use_pretrained_model", "num_layers"), _pretrained_depth_problem),
        Rule(("use_pretrained_model", "image_shape"), _pretrained_grey_problem),
        Rule(("optimizer", "beta_1", "beta_2"), _average_problem),
    )
    FOREIGN: ClassVar[Mapping[str, str]] = {
        **StepScheduleHyperparameters.FOREIGN,
        "label_width": "belongs to object detection: image classification finds the width of labels itself, so"
        " leave it out (several labels an image need multi_label=1).",
        "freeze_layer_pattern": "belongs to object detection: image classification trains all layers, so leave it out.",
        "base_network": "belongs to object detection: image classification takes the depth, num_layers=50.",
    }
    OPTIMIZER_USES: ClassVar[dict[str, frozenset[str]]] = _OPTIMIZERS

    mini_batch_size: Annotated[int, Tunable("integer", 8, 512)] = Field(
        default=32, ge=1, description="images per step and machine, shared out among its GPUs"
    )
    optimizer: Annotated[OptimizerName, Tunable("categorical", choices=("sgd", "adam", "rmsprop", "nag"))] = Field(
        default="sgd", description="update rule; nag is SGD with Nesterov's momentum"
    )
    learning_rate: Annotated[float, Tunable("continuous", 1e-6, 0.5, scale="log")] = Field(
        default=0.1, ge=0, le=1, description="initial learning rate"
    )
    momentum: Annotated[float, Tunable("continuous", 0.0, 0.999)] = Field(
        default=0.9, ge=0, le=1, description="momentum of sgd and nag"
    )
    weight_decay: Annotated[float, Tunable("continuous", 0.0, 0.999)] = Field(
        default=0.0001, ge=0, le=1, description="weight decay of sgd, nag and adamw"
    )
    beta_1: Annotated[float, Tunable("continuous", 1e-6, 0.999)] = Field(
        default=0.9, ge=0, le=1, description="decay of the gradient average of adam and adamw"
    )
    beta_2: Annotated[float, Tunable("continuous", 1e-6, 0.999)] = Field(
        default=0.999, ge=0, le=1, description="decay of the squared-gradient average of adam and adamw"
    )
    eps: Annotated[float, Tunable("continuous", 1e-8, 1.0, scale="log")] = Field(
        default=1e-8, ge=0, le=1, description="guards adam, adamw and rmsprop against division by zero"
    )
    gamma: Annotated[float, Tunable("continuous", 1e-8, 0.999)] = Field(
        default=0.9, ge=0, le=1, description="rmsprop's decay of the squared-gradient average"
    )
    lr_scheduler_factor: float = Field(
        default=0.1, ge=0, le=1, description="what the learning rate is multiplied by at each of lr_scheduler_step"
    )
    use_pretrained_model: bool = Field(
        default=False,
        description="start from ImageNet weights; only the last layer is new, and all layers are trained",
        json_schema_extra={"as_digit": True},
    )
    num_layers: Literal[18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110] = Field(
        default=152, description="depth of the ResNet; 20, 32, 44, 56 and 110 are for images of about 32 pixels"
    )
    image_shape: ImageShape = Field(
        default=(3, 224, 224),
        description="what the network takes: channels, height, width in pixels",
        examples=["3,224,224"],
        json_schema_extra={"note": "channels,height,width"},
    )
    resize: int | None = Field(
        default=None,
        ge=1,
        description="shorter side in pixels that images are scaled to before cropping",
        examples=[256],
    )
    augmentation_type: Literal["crop", "crop_color", "crop_color_transform"] | None = Field(
        default=None, description="random changes of training images; unset crops the centre"
    )
    multi_label: bool = Field(
        default=False, description="images have several labels each", json_schema_extra={"as_digit": True}
    )
    use_weighted_loss: bool = Field(
        default=False,
        description="weigh the loss by how rare a class is; with multi_label only",
        json_schema_extra={"as_digit": True},
    )
    top_k: int | None = Field(
        default=None, gt=1, description="also report whether the truth is among the k likeliest classes", examples=[5]
    )
    checkpoint_frequency: int | None = Field(
        default=None, ge=1, description="keep the model of every n-th epoch; unset keeps the best only", examples=[1]
    )
    precision_dtype: Literal["float32", "float16"] = Field(default="float32", description="precision of training")

    @property
    def precision(self) -> str:
        return self.precision_dtype

    @property
    def objectives(self) -> tuple[str, ...]:
        macro = ("macro_f1", "macro_precision", "macro_recall")
        return ("accuracy", "mAP", "micro_f1", *macro) if self.multi_label else ("accuracy", *macro)

    @property
    def class_weighing(self) -> str | None:
        return "hp.use_weighted_loss=1" if self.multi_label else "run.class_weights"

    @property
    def kept_every_epochs(self) -> int | None:
        return self.checkpoint_frequency

    def warnings(self) -> list[str]:
        found = super().warnings()
        shape = ",".join(map(str, self.image_shape))
        if self.use_pretrained_model and self.image_shape != (3, 224, 224):
            found.append(
                f"ImageNet weights were trained at image_shape=3,224,224; with {shape} they help less, most"
                " so for small images."
            )
        if self.num_layers in SMALL_IMAGE_DEPTHS and min(self.image_shape[1:]) > 64:
            found.append(
                f"Hyperparameter num_layers is {self.num_layers}, a depth for images of about 32 pixels, but"
                f" image_shape is {shape}; depths 18 to 200 are meant for such images."
            )
        if self.multi_label and self.top_k is not None:
            found.append("Hyperparameter top_k has no effect with multi_label=1.")
        return found

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        if name == "image_shape" and str(value).strip().isdigit():
            size = str(value).strip()
            return (
                f"Hyperparameter image_shape is {size} but image classification takes channels,height,width:"
                f" give image_shape=3,{size},{size}."
            )
        return super().hint(name, value)
