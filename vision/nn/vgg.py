"""VGG-16 "reduced", the base network of SSD: fc6 and fc7 are convolutions, fc6 dilated, no dropout.

Modules are named as MXNet's ``vgg16_reduced`` names its layers (``conv1_1`` ... ``fc7``), so that a
state-dict key and an MXNet name differ only in the dot. Beside it the normalization by which SSD scales relu4_3.

Legend: N batch, C channels, H and W in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Convolutions in each of the five blocks, and where torchvision's ``features`` keeps them, in order.
CONVOLUTIONS = (2, 2, 3, 3, 3)
TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
# The maximum of a window is the same before ReLU and after it, and so is its gradient: ReLU has a quarter of the work
# and of the memory where the full map is not needed.
POOLED_BEFORE_RELU = {"conv1_2": "pool1", "conv2_2": "pool2", "conv3_3": "pool3"}


@dataclass(frozen=True)
class VGGWidths:
    """Output channels of the five blocks and of fc6 and fc7."""

    blocks: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
    fc6: int = 1024
    fc7: int = 1024


class VGG16Reduced(nn.Module):
    """``features`` gives relu4_3 (8 px a cell) and relu7 (16 px a cell)."""

    def __init__(self, widths: VGGWidths = VGGWidths()) -> None:
        super().__init__()
        self.channels = {"relu4_3": widths.blocks[3], "relu7": widths.fc7}
        """Width of each feature map that ``features`` gives."""
        in_channels = 3
        for name, block in _conv_names():
            self.add_module(name, nn.Conv2d(in_channels, widths.blocks[block], 3, padding=1))
            in_channels = widths.blocks[block]
        self.pool1 = nn.MaxPool2d(2, 2)
        self.pool2 = nn.MaxPool2d(2, 2)
        # MXNet's "full" convention: an odd map rounds up, so 300 px give 38 cells and not 37.
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.pool4 = nn.MaxPool2d(2, 2)
        self.pool5 = nn.MaxPool2d(3, 1, padding=1)
        self.fc6 = nn.Conv2d(in_channels, widths.fc6, 3, padding=6, dilation=6)
        self.fc7 = nn.Conv2d(widths.fc6, widths.fc7, 1)

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The modules of each stage: the five blocks, then fc6 and fc7."""
        blocks = [tuple(name for name, block in _conv_names() if block == stage) for stage in range(len(CONVOLUTIONS))]
        return (*blocks, ("fc6", "fc7"))

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Return ``relu4_3`` before any normalization, and ``relu7``, of normalized images [N,3,H,W]."""
        relu4_3 = x
        for name, _ in _conv_names():
            x = self.get_submodule(name)(x)
            if name in POOLED_BEFORE_RELU:
                x = self.get_submodule(POOLED_BEFORE_RELU[name])(x)
            x = F.relu(x, inplace=True)
            if name == "conv4_3":
                relu4_3, x = x, self.pool4(x)
        relu6 = F.relu(self.fc6(self.pool5(x)), inplace=True)
        return {"relu4_3": relu4_3, "relu7": F.relu(self.fc7(relu6), inplace=True)}

    def forward(self, x: Tensor) -> Tensor:
        """Return the last feature map, ``relu7``, of normalized images [N,3,H,W]."""
        return self.features(x)["relu7"]


def _conv_names() -> list[tuple[str, int]]:
    """(name, 0-based block) of the thirteen 3x3 convolutions, in order."""
    return [(f"conv{block + 1}_{j + 1}", block) for block, count in enumerate(CONVOLUTIONS) for j in range(count)]


def from_torchvision(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict for ``VGG16Reduced`` from one of torchvision's ``vgg16``.

    The fully connected layers become convolutions by sub-sampling, as in SSD: of classifier.0, seen as
    [4096,512,7,7], every fourth output and every third row and column (with dilation 6 the nine taps that are
    left cover the same area); of classifier.3 every fourth output and input. The class layer is left out.
    """
    result = {}
    for (name, _), index in zip(_conv_names(), TORCHVISION_INDICES, strict=True):
        result[f"{name}.weight"] = state_dict[f"features.{index}.weight"]
        result[f"{name}.bias"] = state_dict[f"features.{index}.bias"]
    fc6 = state_dict["classifier.0.weight"]
    fc7 = state_dict["classifier.3.weight"]
    channels = state_dict["features.28.weight"].shape[0]
    result["fc6.weight"] = fc6.reshape(-1, channels, 7, 7)[::4, :, ::3, ::3].contiguous()
    result["fc6.bias"] = state_dict["classifier.0.bias"][::4].contiguous()
    result["fc7.weight"] = fc7[::4, ::4, None, None].contiguous()
    result["fc7.bias"] = state_dict["classifier.3.bias"][::4].contiguous()
    return result


class L2Normalization(nn.Module):
    """``scale * x / sqrt(sum over channels of x^2 + eps)``, each position by itself.

    MXNet's operator with mode "channel" and eps 1e-10. ``scale`` has shape [1,C,1,1], as MXNet stores
    ``relu4_3_scale``; 20 is SSD's starting value.
    """

    scale: nn.Parameter

    def __init__(self, channels: int, initial_scale: float = 20.0, eps: float = 1e-10) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), initial_scale))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` [N,C,H,W] normalized, of the same shape and dtype."""
        # Squares of half-precision activations overflow above 255, so the norm is taken in float32.
        wide = x.float()
        norm = wide.square().sum(dim=1, keepdim=True).add(self.eps).sqrt()
        return (wide / norm * self.scale).to(x.dtype)
