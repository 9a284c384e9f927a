"""Contrast as MXNet changes it: every pixel times one factor."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, PixelAugmentation, SpatialTarget

# MXNet leaves the picture alone below this change.
_LEAST_CHANGE = 1e-3


class Contrast(PixelAugmentation):
    """Multiply by 1 + c, c uniform in [-max_change, max_change]; rounded and clipped to [0, 255]."""

    def __init__(self, max_change: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.max_change = max_change

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        return {"change": rng.uniform(-self.max_change, self.max_change)}

    def apply(self, img: np.ndarray, change: float, **params: Any) -> np.ndarray:
        if abs(change) <= _LEAST_CHANGE:
            return img
        return cv2.convertScaleAbs(img, alpha=1.0 + change)
