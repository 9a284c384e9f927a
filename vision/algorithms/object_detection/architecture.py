"""The plan of a detector: everything that decides the shape of the network, checked before it is built.

A plan may come from a stranger's file; the bounds here limit what building it can cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vision.algorithms.checked_plan import DAMAGED, IMPOSSIBLE, checked_plan
from vision.algorithms.object_detection.anchors import VGG_LARGE_IMAGE_SIZE_PX, AnchorLevel, anchor_levels
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD
from vision.nn.preact_resnet import EPS, LARGE_PLANS, PreactPlan
from vision.nn.resnet import PLANS
from vision.nn.vgg import VGGWidths

# What MXNet's SSD subtracts from the pixels; it does not divide.
MXNET_MEAN = (123.0, 117.0, 104.0)
MXNET_STD = (1.0, 1.0, 1.0)

SMALLEST_SIDE, LARGEST_SIDE = 300, 4096
LARGEST_WIDTH = 8192
LARGEST_CLASSES = 10_000
MOST_UNITS = 400
MOST_LEVELS = 12
# 2 GiB of float32 weights; anchors times classes bound the memory of one image's outputs to as much.
MOST_WEIGHTS = 2**29
MOST_OUTPUTS = 2**29

Width = Annotated[int, Field(ge=1, le=LARGEST_WIDTH)]
Ratio = Annotated[float, Field(gt=1e-3, le=1e3)]
Size = Annotated[float, Field(gt=0, le=10)]
Pixel = Annotated[float, Field(ge=-1e6, le=1e6)]
Divisor = Annotated[float, Field(gt=1e-6, le=1e6)]


class _Plan(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ExtraLayer(_Plan):
    """A 1x1 convolution, then a 3x3 one with this stride and padding; its output is one more feature map."""

    width_1x1: Width
    width_3x3: Width
    stride: Annotated[int, Field(ge=1, le=2)]
    padding: Annotated[int, Field(ge=0, le=1)]


class Level(_Plan):
    """Anchors of one feature map: see ``anchors.AnchorLevel``."""

    sizes: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=16)]
    step_unit: Annotated[float, Field(gt=0, le=1)] | None = None

    def as_anchor_level(self) -> AnchorLevel:
        return AnchorLevel(self.sizes, self.ratios, self.step_unit)


class Architecture(_Plan):
    """``mean`` and ``std`` are on the 0..255 scale, RGB; ``num_classes`` does not count background.

    Families: "vgg" is the reduced VGG-16 of ``vgg_widths`` (five blocks, fc6, fc7). "resnet" is torchvision's
    of ``depth``, detecting on layer3 and layer4. "preact_resnet" is MXNet's with ``units`` and ``filters``
    (stem, then four stages), detecting on the raw sums of stages 3 and 4; models imported from MXNet have it.
    """

    family: Literal["vgg", "resnet", "preact_resnet"]
    base_network: Literal["vgg-16", "resnet-50", "resnet-34", "resnet-18"]
    num_classes: Annotated[int, Field(ge=1, le=LARGEST_CLASSES)]
    image_shape: Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
    mean: tuple[Pixel, Pixel, Pixel]
    std: tuple[Divisor, Divisor, Divisor]
    extra_layers: Annotated[tuple[ExtraLayer, ...], Field(max_length=MOST_LEVELS - 2)]
    levels: Annotated[tuple[Level, ...], Field(min_length=2, max_length=MOST_LEVELS)]
    vgg_widths: Annotated[tuple[Width, ...], Field(max_length=7)] = ()
    units: Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_UNITS)], ...], Field(max_length=4)] = ()
    filters: Annotated[tuple[Width, ...], Field(max_length=5)] = ()
    bottleneck: bool = False
    bn_eps: Annotated[float, Field(ge=0, le=1)] = EPS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_vgg, is_preact = self.family == "vgg", self.family == "preact_resnet"
        if is_vgg != (self.base_network == "vgg-16"):
            raise ValueError(f"the family {self.family} does not go with {self.base_network}")
        if len(self.vgg_widths) != (7 if is_vgg else 0):
            raise ValueError("vgg_widths has five blocks, fc6 and fc7 in the family vgg and belongs to no other")
        if (len(self.units), len(self.filters)) != ((4, 5) if is_preact else (0, 0)):
            raise ValueError("units has 4 and filters 5 values in the family preact_resnet; others have none")
        if self.bottleneck and (not is_preact or any(width % 4 for width in self.filters[1:])):
            raise ValueError("bottleneck units belong to preact_resnet, with filters that are multiples of 4")
        if len(self.levels) != len(self.extra_layers) + 2:
            raise ValueError("levels must have one entry for each of two base maps and each of extra_layers")
        if sum(self.units) > MOST_UNITS or self._weights() > MOST_WEIGHTS:
            raise ValueError(f"the network has more than {MOST_UNITS} units or {MOST_WEIGHTS} weights")
        sides = self.map_sides
        if min(sides) < 1:
            raise ValueError(f"images of {self.image_shape} pixels are too small for {len(sides)} maps")
        cells = sum(side**2 * level.as_anchor_level().per_cell for side, level in zip(sides, self.levels, strict=True))
        if cells * (self.num_classes + 5) > MOST_OUTPUTS:
            raise ValueError(f"anchors times classes are more than {MOST_OUTPUTS}")
        return self

    def _base_channels(self) -> tuple[int, int]:
        if self.family == "vgg":
            return self.vgg_widths[3], self.vgg_widths[6]
        if self.family == "preact_resnet":
            return self.filters[3], self.filters[4]
        return (1024, 2048) if PLANS[self.depth][1] else (256, 512)

    def _weights(self) -> int:
        """An upper bound of the number of weights."""
        # Taps of a stage on its widest layer: three 3x3 convolutions in a block of vgg (fc6 and fc7 have fewer);
        # 9 + 9 + 1 in a basic unit, 1/4 + 9/16 + 1/4 + 1 in a bottleneck.
        widths = (3, *self.vgg_widths, *self.filters[1:])
        unit_taps = 3 if self.bottleneck else 19
        taps = [27] * len(self.vgg_widths) if self.family == "vgg" else [unit_taps * count for count in self.units]
        base = sum(count * max(pair) ** 2 for count, pair in zip(taps, pairwise(widths), strict=True))
        channels = list(self._base_channels())
        extras = 0
        for layer in self.extra_layers:
            extras += layer.width_1x1 * (channels[-1] + 9 * layer.width_3x3)
            channels.append(layer.width_3x3)
        heads = sum(
            9 * width * level.as_anchor_level().per_cell * (self.num_classes + 5)
            for width, level in zip(channels, self.levels, strict=True)
        )
        return base + extras + heads

    @property
    def map_sides(self) -> tuple[int, ...]:
        """Cells along a side of each feature map, 0 for one that the image is too small for."""
        side = self.image_shape
        if self.family == "vgg":
            first = -(-(side // 4) // 2)  # the third pooling rounds up
            sides = [first, first // 2]
        else:
            for _ in range(4):
                side = -(-side // 2)
            sides = [side, -(-side // 2)]
        for layer in self.extra_layers:
            sides.append(max((sides[-1] + 2 * layer.padding - 3) // layer.stride + 1, 0))
        return tuple(sides)

    @property
    def depth(self) -> int:
        """Layers of the base network, by its name."""
        return int(self.base_network.rpartition("-")[2])

    @property
    def vgg_plan(self) -> VGGWidths:
        one, two, three, four, five, fc6, fc7 = self.vgg_widths
        return VGGWidths((one, two, three, four, five), fc6, fc7)

    @property
    def preact_plan(self) -> PreactPlan:
        return PreactPlan(self.units, self.filters, self.bottleneck, "7x7", self.bn_eps)

    def with_image_shape(self, image_shape: int) -> Architecture:
        """Return the plan with which the same weights take images of another size; anchors keep number and sizes.

        Steps are those of the table for that size, if it has as many maps, else even.
        """
        table = anchor_levels(self.base_network, image_shape)
        steps = [level.step_unit for level in table]
        if len(table) != len(self.levels):
            steps = [None] * len(self.levels)
        levels = [level.model_dump() | {"step_unit": step} for level, step in zip(self.levels, steps, strict=True)]
        values = self.model_dump() | {"image_shape": image_shape, "levels": levels}
        return checked_plan(Architecture, values, f"The model cannot take images of {image_shape} pixels")


_EXTRAS_VGG_300 = ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0))
_EXTRAS_VGG_512 = (
    (256, 512, 2, 1),
    (128, 256, 2, 1),
    (128, 256, 2, 1),
    (128, 256, 2, 1),
    (128, 256, 1, 1),
)
_EXTRAS_RESNET = ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 2, 1), (128, 128, 2, 1))


def architecture_for(hyperparameters: ObjectDetectionHyperparameters) -> Architecture:
    """Return the plan of a new network; a run that continues a model takes the model's plan instead."""
    hp = hyperparameters
    return standard_architecture(hp.base_network, hp.image_shape, hp.num_classes, is_pretrained=hp.use_pretrained_model)


def standard_architecture(
    base_network: str,
    image_shape: int,
    num_classes: int,
    *,
    is_pretrained: bool = False,
    is_mxnet: bool = False,
) -> Architecture:
    """SSD at its usual widths.

    ``is_mxnet``: the network as MXNet defines it, with a pre-activation ResNet. Pixels are normalized as the
    weights expect it: torchvision's want ImageNet's mean and deviation; a vgg-16 from MXNet or from scratch has
    only a mean subtracted.
    """
    if base_network == "vgg-16":
        is_large = image_shape >= VGG_LARGE_IMAGE_SIZE_PX
        widths = VGGWidths()
        family: dict[str, object] = {"family": "vgg", "vgg_widths": (*widths.blocks, widths.fc6, widths.fc7)}
        extras = _EXTRAS_VGG_512 if is_large else _EXTRAS_VGG_300
    else:
        extras = _EXTRAS_RESNET
        family = {"family": "resnet"}
        if is_mxnet:
            units, bottleneck = LARGE_PLANS[int(base_network.rpartition("-")[2])]
            filters = (64, 256, 512, 1024, 2048) if bottleneck else (64, 64, 128, 256, 512)
            family = {
                "family": "preact_resnet",
                "units": units,
                "filters": filters,
                "bottleneck": bottleneck,
            }
    subtracts_only = is_mxnet or (base_network == "vgg-16" and not is_pretrained)
    names = ("width_1x1", "width_3x3", "stride", "padding")
    values = family | {
        "base_network": base_network,
        "num_classes": num_classes,
        "image_shape": image_shape,
        "mean": MXNET_MEAN if subtracts_only else IMAGENET_MEAN,
        "std": MXNET_STD if subtracts_only else IMAGENET_STD,
        "extra_layers": [dict(zip(names, layer, strict=True)) for layer in extras],
        "levels": [
            {"sizes": level.sizes, "ratios": level.ratios, "step_unit": level.step_unit}
            for level in anchor_levels(base_network, image_shape)
        ],
    }
    return checked_plan(Architecture, values, IMPOSSIBLE)


def read_architecture(plan: Mapping[str, object]) -> Architecture:
    """Check a plan found in a model folder. Raises UserError."""
    return checked_plan(Architecture, plan, DAMAGED)
