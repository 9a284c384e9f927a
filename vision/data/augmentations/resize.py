"""Resizing, with the integer arithmetic of MXNet's iterators. Boxes as fractions of the image stay."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, Augmentation, SpatialTarget

# What MXNet's inter_method=10 draws from.
ALL_INTERPOLATIONS = (
    cv2.INTER_NEAREST,
    cv2.INTER_LINEAR,
    cv2.INTER_CUBIC,
    cv2.INTER_AREA,
    cv2.INTER_LANCZOS4,
)


# 11585 x 11585, as for decoding: keeping the aspect ratio of a very long image must not exhaust the memory.
MAX_PIXELS = 1 << 27


class ResizedImageTooLargeError(Exception):
    """Resizing would exceed ``MAX_PIXELS``; ``height`` and ``width`` are those it would give, in pixels."""

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        super().__init__(f"resizing would give {height} rows and {width} columns")


class Resize(Augmentation):
    """To ``height`` x ``width`` whatever the aspect ratio, by one of ``interpolations`` drawn uniformly."""

    def __init__(
        self, height: int, width: int, interpolations: tuple[int, ...] = (cv2.INTER_LINEAR,), p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        self.height = height
        self.width = width
        self.interpolations = interpolations

    @property
    def is_random(self) -> bool:
        return len(self.interpolations) > 1 or self.p < 1.0

    def size(self, image_height: int, image_width: int) -> tuple[int, int]:
        """Return height and width after resizing."""
        return self.height, self.width

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        return *self.size(shape[0], shape[1]), shape[2]

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        height, width = self.size(shape[0], shape[1])
        if height * width > MAX_PIXELS:
            raise ResizedImageTooLargeError(height, width)
        choice = rng.randrange(len(self.interpolations)) if len(self.interpolations) > 1 else 0
        return {"size": (height, width), "method": self.interpolations[choice]}

    def apply(self, img: np.ndarray, size: tuple[int, int], method: int, **params: Any) -> np.ndarray:
        if img.shape[:2] == size:
            return img
        return cv2.resize(img, size[::-1], interpolation=method)

    def apply_to_bboxes(self, bboxes: np.ndarray, **params: Any) -> np.ndarray:
        return bboxes

    def apply_to_mask(self, mask: np.ndarray, size: tuple[int, int], **params: Any) -> np.ndarray:
        if mask.shape == size:
            return mask
        # Unlike INTER_NEAREST it looks at the centers of pixels, as the resizing of the image does.
        return cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


class ShortSideResize(Resize):
    """The shorter side to ``side`` pixels, bilinear; the longer by integer division of the same ratio."""

    def __init__(self, side: int, p: float = 1.0) -> None:
        super().__init__(side, side, p=p)
        self.side = side

    def size(self, image_height: int, image_width: int) -> tuple[int, int]:
        if image_height > image_width:
            return self.side * image_height // image_width, self.side
        return self.side, self.side * image_width // image_height


class EnlargeToFit(Resize):
    """Enlarge an image that is lower than ``height`` or narrower than ``width`` until it covers both.

    Bilinear, keeps the aspect ratio; a larger image is left alone. MXNet does so before its crop since 1.3.
    """

    def size(self, image_height: int, image_width: int) -> tuple[int, int]:
        if image_height >= self.height and image_width >= self.width:
            return image_height, image_width
        if self.height * image_width >= self.width * image_height:
            return self.height, self.height * image_width // image_height
        return self.width * image_height // image_width, self.width
