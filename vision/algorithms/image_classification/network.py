"""The classifier: from pixels to one logit for each class. Legend: N batch, C channels, H and W, K classes.

Two families. "resnet" is torchvision's, depths 18 to 200, with ImageNet weights for all but 200.
"preact_resnet" is MXNet's example, for depths 20 to 110 and for every model imported from MXNet. As in that
example images of at most 32 px height get a 3x3 stem of stride 1; in the first family only from scratch,
because ImageNet weights belong to the 7x7 stem. A network of image_shape "1,H,W" reduces RGB to luma itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from vision.algorithms.checked_plan import DAMAGED, IMPOSSIBLE, checked_plan
from vision.algorithms.image_classification.hyperparameters import (
    SMALL_HEIGHT_PX,
    SMALL_IMAGE_DEPTHS,
    ImageClassificationHyperparameters,
)
from vision.artifacts.export import BATCH, ExportHeads, HeadOutput, Heads
from vision.nn.generalized_mean import generalized_mean
from vision.nn.init import initialize
from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize, to_grey
from vision.nn.preact_resnet import PreactPlan, PreactResNet, plan_for
from vision.nn.pretrained import copy_weights, load_imagenet
from vision.nn.resnet import PLANS, ResNet, Stem

if TYPE_CHECKING:
    from vision.algorithms.image_classification.classical_network import ClassicalArchitecture
    from vision.algorithms.image_classification.library_network import LibraryArchitecture

# A plan may come from a stranger's file; these bound what building it can cost (2 GiB of float32 weights).
LARGEST_SIDE = 8192
LARGEST_WIDTH = 8192
LARGEST_CLASSES = 100_000
MOST_UNITS = 400
MOST_WEIGHTS = 2**29

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Width = Annotated[int, Field(ge=1, le=LARGEST_WIDTH)]
Pixel = Annotated[float, Field(ge=-1e6, le=1e6)]
Divisor = Annotated[float, Field(gt=1e-6, le=1e6)]


class Architecture(BaseModel):
    """Everything that decides the network's shape, as the model folder records it.

    ``mean`` and ``std`` are on the 0..255 scale, one value for each channel that the network itself sees.
    ``units``, ``filters`` (stem, then stages), ``bottleneck`` and ``bn_eps`` belong to the family
    "preact_resnet"; in "resnet" the depth says it all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: Literal["resnet", "preact_resnet"]
    depth: Annotated[int, Field(ge=1, le=3 * MOST_UNITS + 2)]
    num_classes: Annotated[int, Field(ge=1, le=LARGEST_CLASSES)]
    image_shape: tuple[Literal[1, 3], Side, Side]
    stem: Stem
    mean: Annotated[tuple[Pixel, ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Divisor, ...], Field(min_length=1, max_length=3)]
    units: Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_UNITS)], ...], Field(max_length=8)] = ()
    filters: Annotated[tuple[Width, ...], Field(max_length=9)] = ()
    bottleneck: bool = False
    bn_eps: Annotated[float, Field(ge=0, le=1)] = 2e-5

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        channels = self.input_channels
        if len(self.mean) != channels or len(self.std) != channels:
            raise ValueError(f"mean and std must have {channels} values, one for each channel")
        if self.family == "resnet":
            if self.depth not in PLANS:
                raise ValueError(f"depth is {self.depth} but the family resnet has {', '.join(map(str, PLANS))}")
            if self.units or self.filters or self.bottleneck:
                raise ValueError("units, filters and bottleneck do not belong to the family resnet")
            return self
        if not self.units or len(self.filters) != len(self.units) + 1:
            raise ValueError("filters must have one value for the stem and one for each value of units")
        if self.bottleneck and any(width % 4 for width in self.filters[1:]):
            raise ValueError("filters of bottleneck units must be multiples of 4")
        if sum(self.units) > MOST_UNITS or self._weights() > MOST_WEIGHTS:
            raise ValueError(f"the network has more than {MOST_UNITS} units or {MOST_WEIGHTS} weights")
        if self.depth != sum(self.units) * (3 if self.bottleneck else 2) + 2:
            raise ValueError(f"depth is {self.depth}, which is not the number of layers of these units")
        return self

    def _weights(self) -> int:
        """An upper bound: 9 + 9 + 1 taps in a basic unit, 1/4 + 9/16 + 1/4 + 1 in a bottleneck."""
        taps = 3 if self.bottleneck else 19
        widest = [max(pair) for pair in zip(self.filters[1:], self.filters, strict=False)]
        stages = sum(units * taps * width**2 for units, width in zip(self.units, widest, strict=True))
        return stages + self.num_classes * self.filters[-1]

    @property
    def input_channels(self) -> int:
        """Channels the network itself sees: the family resnet keeps three, all equal for grey images."""
        return 3 if self.family == "resnet" else self.image_shape[0]


def architecture_for(hyperparameters: ImageClassificationHyperparameters) -> Architecture:
    """Return the plan of a new network; a run that continues a model takes the model's plan instead."""
    hp = hyperparameters
    _, height, _ = hp.image_shape
    small = height <= SMALL_HEIGHT_PX
    shared = {"depth": hp.num_layers, "num_classes": hp.num_classes, "image_shape": hp.image_shape}
    if hp.num_layers not in SMALL_IMAGE_DEPTHS:
        stem = "3x3" if small and not hp.use_pretrained_model else "7x7"
        family = {"family": "resnet", "stem": stem, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
        return checked_plan(Architecture, shared | family, IMPOSSIBLE)
    plan = plan_for(hp.num_layers, "3x3" if small else "7x7", hp.image_shape[0])
    # Raw pixels, as MXNet feeds them: the network's first batch normalization does the rest.
    raw = {"mean": (0.0,) * plan.input_channels, "std": (1.0,) * plan.input_channels}
    shape = {name: getattr(plan, name) for name in ("stem", "units", "filters", "bottleneck", "bn_eps")}
    family = {"family": "preact_resnet", **raw, **shape}
    return checked_plan(Architecture, shared | family, IMPOSSIBLE)


def read_architecture(plan: Mapping[str, object]) -> Architecture:
    """Check a plan found in a model folder. Raises UserError."""
    return checked_plan(Architecture, plan, DAMAGED)


class Classifier(nn.Module):
    """Pixels to logits, whatever the network behind the normalization is."""

    def __init__(self, architecture: Architecture | LibraryArchitecture | ClassicalArchitecture) -> None:
        super().__init__()
        self.takes_grey = architecture.image_shape[0] == 1
        self.normalize = Normalize(architecture.mean, architecture.std)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits float32 [N,K] of images [N,3,H,W], uint8 or float, 0..255, RGB.

        A network for grey images takes [N,1,H,W], too.
        """
        return self.logits(self._normalized(images)).float()

    def embed(self, images: Tensor) -> Tensor:
        """Return vectors [N,D] of images as ``forward`` takes them."""
        return self.embedding(self._normalized(images)).float()

    def _normalized(self, images: Tensor) -> Tensor:
        if self.takes_grey:
            grey = to_grey(images) if images.shape[1] == 3 else images
            images = grey.expand(-1, self.normalize.mean.shape[1], -1, -1)
        return self.normalize(images)

    def logits(self, normalized: Tensor) -> Tensor:
        """Return the logits [N,K] of normalized images [N,C,H,W]."""
        raise NotImplementedError

    def embedding(self, normalized: Tensor) -> Tensor:
        """Return vectors [N,D] of normalized images [N,C,H,W]. Raises UserError."""
        raise NotImplementedError


class ImageClassifier(Classifier):
    """Pixels to logits. ``resnet`` is the network proper, its keys torchvision's or after MXNet's."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.architecture = architecture
        self.resnet: ResNet | PreactResNet
        if architecture.family == "resnet":
            self.resnet = ResNet(architecture.depth, architecture.num_classes, architecture.stem)
        else:
            plan = PreactPlan(
                units=architecture.units,
                filters=architecture.filters,
                bottleneck=architecture.bottleneck,
                stem=architecture.stem,
                bn_eps=architecture.bn_eps,
                input_channels=architecture.input_channels,
            )
            self.resnet = PreactResNet(plan, architecture.num_classes)

    def logits(self, normalized: Tensor) -> Tensor:
        logits: Tensor = self.resnet(normalized)
        return logits

    def embedding(self, normalized: Tensor) -> Tensor:
        return generalized_mean(self.resnet.last_map(normalized))


def build_network(architecture: Architecture) -> ImageClassifier:
    """Return a network with untrained weights, initialized as in MXNet's example."""
    network = ImageClassifier(architecture)
    initialize(network)
    return network


def load_pretrained(network: ImageClassifier, weights_folder: Path | None) -> str:
    """Put ImageNet weights below the last layer, which stays as it is; a sentence says which they are.

    Raises UserError if there are none for this depth or none can be had.
    """
    architecture = network.architecture
    assert architecture.family == "resnet", "settings allow ImageNet weights for this family only"
    weights = load_imagenet(f"resnet{architecture.depth}", weights_folder)
    head = f"{network.resnet.HEAD}."
    kept = {key: value for key, value in network.resnet.state_dict().items() if key.startswith(head)}
    below = {key: value for key, value in weights.state_dict.items() if not key.startswith(head)}
    copy_weights(below | kept, network.resnet, weights.file)
    return str(weights)


def is_head(parameter: str, architecture: Architecture) -> bool:
    """Return whether a key of the classifier's state dict depends on the number of classes."""
    head = ResNet.HEAD if architecture.family == "resnet" else PreactResNet.HEAD
    return parameter.startswith(f"resnet.{head}.")


def export_heads(
    network: Classifier, architecture: Architecture | LibraryArchitecture, *, multi_label: bool
) -> ExportHeads:
    """Return the network with its one output, the logits before softmax or sigmoid."""
    turned = "sigmoid" if multi_label else "softmax over the classes"
    _, height, width = architecture.image_shape
    output = HeadOutput("logits", (BATCH, architecture.num_classes), f"float32; a {turned} makes probabilities of them")
    # A network for grey images makes them of RGB itself.
    return ExportHeads(Heads(network), (3, height, width), (output,))
