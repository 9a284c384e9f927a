"""The batch: what the loader gives and the device receives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from vision.data.broken_images import Broken


class Batch(NamedTuple):
    """A batch of N images on its way to the network.

    ``images`` are uint8 [N, C, H, W] in channels_last memory, 0..255 RGB; normalising is the network's first layer.
    ``targets`` is what ``Algorithm.collate_targets`` made of the labels (a tensor or a tuple of tensors).
    ``indices`` int64 [N] count in the reader's order, so that an image is known by one number everywhere.
    ``broken`` names the images that could not be used: (index, sentence).
    """

    images: torch.Tensor
    targets: Any
    indices: torch.Tensor
    broken: tuple[Broken, ...]


def stack_images(images: list[np.ndarray]) -> torch.Tensor:
    """Join N images uint8 [H, W, C] of one size into uint8 [N, C, H, W].

    The memory stays in the order in which the images were written, which is torch's channels_last: no copy follows.
    """
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
