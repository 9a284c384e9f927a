"""Putting an image at a random place of a larger, filled canvas, so that its objects become small."""

from __future__ import annotations

import random
from typing import Any

from vision.data.augmentations.augmentation import NO_TARGET, SpatialTarget
from vision.data.augmentations.window import Window, WindowAugmentation

# MXNet does not pad by less than this factor.
_LEAST_SCALE = 1.05


class Expand(WindowAugmentation):
    """Both sides grow by one factor, uniform in [1, max_scale]; the place of the image on it is uniform."""

    def __init__(self, max_scale: float, fill_value: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.max_scale = max_scale
        self.fill_value = fill_value

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        height, width = shape[:2]
        spare = rng.uniform(1.0, self.max_scale) - 1.0
        if spare < _LEAST_SCALE - 1.0:
            return {"window": Window.whole(shape)}
        left, top = rng.uniform(0.0, spare), rng.uniform(0.0, spare)
        return {
            "window": Window(
                -int(left * width),
                -int(top * height),
                width + int((spare - left) * width),
                height + int((spare - top) * height),
            )
        }
