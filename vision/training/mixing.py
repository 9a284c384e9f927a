"""Mixing the images of a batch and their labels: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019).

Legend: N batch, C channels, H and W in pixels, K classes.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vision.data.seeds import batch_mixing


class Mixing:
    """Mixes each image with the one before it in its batch, by a share drawn for the batch from Beta(alpha, alpha).

    ``mixup`` and ``cutmix`` are the alphas, 0 for none; where both are given, a coin decides for each batch.
    """

    def __init__(self, mixup: float, cutmix: float, seed: int) -> None:
        assert mixup > 0 or cutmix > 0, "nothing to mix by"
        self.mixup = mixup
        self.cutmix = cutmix
        self.seed = seed

    def __call__(self, images: Tensor, targets: Tensor, number: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return images uint8 [N, C, H, W] and targets float32 [N, K], mixed.

        ``number`` counts the batches of the run, so that a resumed run goes on with the same numbers; ``rank`` is the
        process.
        """
        rng = batch_mixing(self.seed, number, rank)
        pastes = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if pastes else self.mixup
        share = float(rng.beta(alpha, alpha))
        if pastes:
            images, share = _pasted(images, share, rng)
        else:
            images = torch.lerp(images.roll(1, 0).float(), images.float(), share).round_().to(torch.uint8)
        return images, torch.lerp(targets.roll(1, 0), targets, share)


def _pasted(images: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Return images in which a rectangle is the neighbor's, and the share that is left of each: about ``share``."""
    height, width = images.shape[2:]
    x, y = rng.integers(width), rng.integers(height)
    half = 0.5 * math.sqrt(1.0 - share)
    left, right = max(int(x - half * width), 0), min(int(x + half * width), width)
    top, bottom = max(int(y - half * height), 0), min(int(y + half * height), height)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    return pasted, 1.0 - (right - left) * (bottom - top) / (width * height)
