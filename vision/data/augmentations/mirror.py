"""Flipping an image, its boxes and its mask left to right."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, Augmentation, SpatialTarget


class Mirror(Augmentation):
    """Left becomes right. (``A.HorizontalFlip`` flips the same, but keeps its generator in itself.)"""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p=p)

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        return {}

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return cv2.flip(img, 1)

    def apply_to_bboxes(self, bboxes: np.ndarray, **params: Any) -> np.ndarray:
        flipped = bboxes.copy()
        flipped[:, 0] = 1.0 - bboxes[:, 2]
        flipped[:, 2] = 1.0 - bboxes[:, 0]
        return flipped

    def apply_to_mask(self, mask: np.ndarray, **params: Any) -> np.ndarray:
        return cv2.flip(mask, 1)
