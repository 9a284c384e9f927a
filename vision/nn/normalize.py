"""From pixels to the network's input, on the device: uint8 travels, float32 is made where it is used."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# ImageNet's statistics on the 0..255 scale, RGB; torchvision's weights were trained with them (times 255).
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


class Normalize(nn.Module):
    """``(pixel - mean) / std`` for each channel; mean 0 and std 1 hand the pixels on as they are.

    The constants follow the module's device and dtype but are not part of its state dict: the architecture
    that builds the network records them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        assert len(mean) == len(std), "one mean and one std for each channel"
        assert all(value > 0 for value in std), "std is a divisor"
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``images`` [N,C,H,W], uint8 or float, 0..255, RGB, normalized; the memory format is kept.

        The result has the autocast dtype where autocast is on, else the module's own.
        """
        # In the constants' precision: a mean rounded to bfloat16 is up to half a grey level off.
        normalized = (images - self.mean) / self.std
        kind = images.device.type
        return normalized.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else normalized


def to_grey(images: Tensor) -> Tensor:
    """Luma of RGB images, by ITU-R BT.601 as in JPEG and OpenCV: [N,3,H,W] -> float [N,1,H,W], 0..255."""
    red, green, blue = images.unbind(dim=1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)
