"""Hiding a random rectangle of an image (Zhong et al. 2017, "Random Erasing Data Augmentation")."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from vision.data.augmentations.augmentation import IGNORED_CLASS, NO_TARGET, Augmentation, SpatialTarget
from vision.data.augmentations.image_random import MANTISSA
from vision.data.augmentations.window import Window

_AREAS = (0.02, 0.33)
_ASPECT_RATIOS = (0.3, 3.3)
_TRIALS = 10


class Erasing(Augmentation):
    """Fill a rectangle of 2 to 33 % of the area, height over width 0.3 to 3.3, with uniform noise.

    Boxes stay, even those of hidden objects; pixels of a mask that are hidden count for nothing. An image in which ten
    rectangles do not fit is left alone.
    """

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        image_height, image_width = shape[:2]
        low, high = map(math.log, _ASPECT_RATIOS)
        for _ in range(_TRIALS):
            area = image_height * image_width * rng.uniform(*_AREAS)
            ratio = math.exp(rng.uniform(low, high))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < height < image_height and 0 < width < image_width:
                top, left = rng.randrange(image_height - height + 1), rng.randrange(image_width - width + 1)
                hidden = Window(left, top, left + width, top + height)
                return {"hidden": hidden, "noise_seed": rng.randrange(MANTISSA)}
        return {"hidden": Window(0, 0, 0, 0), "noise_seed": 0}

    def apply(self, img: np.ndarray, hidden: Window, noise_seed: int, **params: Any) -> np.ndarray:
        erased = img.copy()
        there = hidden.view(erased)
        there[...] = np.random.default_rng(noise_seed).integers(0, 256, there.shape, np.uint8)
        return erased

    def apply_to_bboxes(self, bboxes: np.ndarray, **params: Any) -> np.ndarray:
        return bboxes

    def apply_to_mask(self, mask: np.ndarray, hidden: Window, **params: Any) -> np.ndarray:
        erased = mask.copy()
        hidden.view(erased)[...] = IGNORED_CLASS
        return erased
