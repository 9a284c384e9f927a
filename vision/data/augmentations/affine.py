"""Rotation, shear and change of aspect ratio about the image centre: one affine map, as MXNet draws it."""

from __future__ import annotations

import math
import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import IGNORED_CLASS, NO_TARGET, Augmentation, SpatialTarget


def centred_matrix(shape: tuple[int, ...], angle_deg: float, shear: float, aspect_ratio: float) -> np.ndarray:
    """Return the map from input to output pixels, float32 [2, 3], that leaves the center of the image in the center.

    Source: ``image_aug_default.cc``. A positive angle turns the picture counter-clockwise.
    """
    height, width = shape[:2]
    height_scale = 2.0 / (1.0 + aspect_ratio)
    width_scale = aspect_ratio * height_scale
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    xx = height_scale * cosine - shear * sine * width_scale
    xy = height_scale * sine + shear * cosine * width_scale
    yx = -sine * width_scale
    yy = cosine * width_scale
    x_shift = (width - (xx * width + xy * height)) / 2.0
    y_shift = (height - (yx * width + yy * height)) / 2.0
    return np.array([[xx, xy, x_shift], [yx, yy, y_shift]], np.float32)


class Affine(Augmentation):
    """Angle a whole number of degrees in [-max_angle_deg, max_angle_deg], shear in [-max_shear, max_shear],
    aspect ratio in 1 +- max_aspect_change, each uniform. Bilinear; the size stays; the border is filled.

    Boxes are refused: what encloses a turned box is larger than the object.
    """

    def __init__(
        self,
        max_angle_deg: int,
        max_shear: float,
        max_aspect_change: float,
        fill_value: int,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.max_angle_deg = max_angle_deg
        self.max_shear = max_shear
        self.max_aspect_change = max_aspect_change
        self.fill_value = fill_value

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        shear = rng.uniform(-self.max_shear, self.max_shear)
        angle_deg = rng.randint(-self.max_angle_deg, self.max_angle_deg)
        aspect_ratio = 1.0 + rng.uniform(-self.max_aspect_change, self.max_aspect_change)
        return {"matrix": centred_matrix(shape, angle_deg, shear, aspect_ratio)}

    def apply(self, img: np.ndarray, matrix: np.ndarray, **params: Any) -> np.ndarray:
        return cv2.warpAffine(
            img,
            matrix,
            (img.shape[1], img.shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(self.fill_value,) * 3,
        )

    def apply_to_bboxes(self, bboxes: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        raise NotImplementedError("boxes cannot be turned; use augmentations that keep them upright")

    def apply_to_mask(self, mask: np.ndarray, matrix: np.ndarray, **params: Any) -> np.ndarray:
        return cv2.warpAffine(
            mask,
            matrix,
            (mask.shape[1], mask.shape[0]),
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=IGNORED_CLASS,
        )
