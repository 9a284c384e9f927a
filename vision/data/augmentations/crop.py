"""Cutting a rectangle of fixed size out of an image, at a random position or in the centre."""

from __future__ import annotations

import random
from typing import Any

from vision.data.augmentations.augmentation import NO_TARGET, SpatialTarget
from vision.data.augmentations.window import Window, WindowAugmentation


class ImageSmallerThanCropError(Exception):
    """The image has fewer rows or columns than the crop; ``height`` and ``width`` are its own, in pixels."""

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        super().__init__(f"the image has only {height} rows and {width} columns")


class Crop(WindowAugmentation):
    """Keep ``height`` x ``width`` pixels: every position equally likely if ``at_random``, else the centre.

    The centre is rounded towards the top left, as MXNet does. A smaller image raises
    ``ImageSmallerThanCropError``. The result shares its pixels with the input.
    """

    def __init__(self, height: int, width: int, at_random: bool, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.height = height
        self.width = width
        self.at_random = at_random

    @property
    def is_random(self) -> bool:
        return self.at_random or self.p < 1.0

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        return self.height, self.width, shape[2]

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        spare_rows, spare_columns = shape[0] - self.height, shape[1] - self.width
        if spare_rows < 0 or spare_columns < 0:
            raise ImageSmallerThanCropError(shape[0], shape[1])
        if self.at_random:
            top, left = rng.randrange(spare_rows + 1), rng.randrange(spare_columns + 1)
        else:
            top, left = spare_rows // 2, spare_columns // 2
        return {"window": Window(left, top, left + self.width, top + self.height)}
