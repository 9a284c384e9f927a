"""Cutting a window of random size and shape out of an image, as GoogLeNet was trained with."""

from __future__ import annotations

import math
import random
from typing import Any

from vision.data.augmentations.augmentation import NO_TARGET, SpatialTarget
from vision.data.augmentations.window import ObjectWindow, Window

_ASPECT_RATIOS = (3 / 4, 4 / 3)
_TRIALS = 10


class RandomWindow(ObjectWindow):
    """Keep between ``min_area`` and all of the area, width over height 3/4 to 4/3, anywhere in the image.

    As torchvision's ``RandomResizedCrop`` before it resizes: the area is uniform, the logarithm of the ratio too; where
    ten rectangles do not fit, the largest in the center that has an allowed ratio is kept.
    """

    def __init__(self, min_area: float, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.min_area = min_area

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        image_height, image_width = shape[:2]
        low, high = map(math.log, _ASPECT_RATIOS)
        for _ in range(_TRIALS):
            area = image_height * image_width * rng.uniform(self.min_area, 1.0)
            ratio = math.exp(rng.uniform(low, high))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= image_width and 0 < height <= image_height:
                top, left = rng.randrange(image_height - height + 1), rng.randrange(image_width - width + 1)
                return {"window": Window(left, top, left + width, top + height)}
        narrowest, widest = _ASPECT_RATIOS
        width = min(image_width, max(1, round(image_height * widest)))
        height = min(image_height, max(1, round(image_width / narrowest)))
        top, left = (image_height - height) // 2, (image_width - width) // 2
        return {"window": Window(left, top, left + width, top + height)}
