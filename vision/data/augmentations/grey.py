"""Colour to one channel of luminance."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, PixelAugmentation, SpatialTarget


class Grey(PixelAugmentation):
    """RGB [H, W, 3] to luminance [H, W, 1] (ITU-R BT.601)."""

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    @property
    def is_random(self) -> bool:
        return self.p < 1.0

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        return shape[0], shape[1], 1

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        return {}

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)[:, :, None]
