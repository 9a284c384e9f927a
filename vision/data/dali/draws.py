"""What is drawn for one image, before it is decoded: the standard loader's very numbers, for DALI to carry out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.data.augmentations.affine import Affine
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.image_random import ImageRandom
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.resize import ShortSideResize

# The steps that DALI's pipeline has, in its order; each at most once.
ORDER = (ShortSideResize, Affine, Crop, HLSShift, Mirror, Grey)
# OpenCV counts from the centre of the first pixel, DALI from its corner.
_HALF_PIXEL = 0.5
# What resizing and the decoder's smoothing of colours look at beside a pixel, and more.
_MARGIN_PX = 16


class ImagePart(NamedTuple):
    """A part of an image that is to be decoded: ``start`` and ``shape`` int32 [2], (y, x) in pixels. In it a crop lies
    from corner ``first`` to ``last``, float32 [2], (y, x) from the part's corner; mirrored, first is to the right.
    """

    start: np.ndarray
    shape: np.ndarray
    first: np.ndarray
    last: np.ndarray


class ImageDraw(NamedTuple):
    """One image's way: from ``decoded`` (height, width) to ``size`` (height, width) by resizing, ``matrix`` float32
    [2, 3] from resized to warped pixels, ``corner`` (top, left) of the crop, ``hls_offsets`` and whether it is
    ``mirrored``.
    """

    decoded: tuple[int, int]
    size: tuple[int, int]
    matrix: np.ndarray
    corner: tuple[int, int]
    hls_offsets: tuple[int, int, int]
    mirrored: bool

    def part(self, crop: tuple[int, int]) -> ImagePart:
        """Return what a crop of (height, width) needs of the image, if nothing warps it."""
        scale = np.divide(self.decoded, self.size)
        first, last = np.multiply(self.corner, scale), np.add(self.corner, crop) * scale
        start = np.maximum(np.floor(first).astype(np.int32) - _MARGIN_PX, 0)
        stop = np.minimum(np.ceil(last).astype(np.int32) + _MARGIN_PX, self.decoded)
        first, last = first - start, last - start
        if self.mirrored:
            first[1], last[1] = last[1], first[1]
        return ImagePart(start, (stop - start).astype(np.int32), first.astype(np.float32), last.astype(np.float32))


def is_supported(augmentations: Sequence[Augmentation]) -> bool:
    """Return whether all steps are known, in the pipeline's order, with a crop that gives all images one size."""
    kinds = [type(step) for step in augmentations]
    return Crop in kinds and kinds == [kind for kind in ORDER if kind in kinds]


def draw_image(augmentations: Sequence[Augmentation], seed: int, size: tuple[int, int]) -> ImageDraw:
    """Draw for an image of ``size`` (height, width), number by number as the transform does.

    Raises what the steps raise for images that are too small, or too long and narrow.
    """
    rng = ImageRandom(seed)
    decoded = size
    matrix = np.eye(2, 3, dtype=np.float32)
    corner, hls_offsets, mirrored = (0, 0), (0, 0, 0), False
    for step in augmentations:
        if not step.draws(rng):
            continue
        drawn = step.draw(rng, size)
        if isinstance(step, ShortSideResize):
            size = drawn["size"]
        elif isinstance(step, Affine):
            matrix = from_corners(drawn["matrix"])
        elif isinstance(step, Crop):
            corner = (drawn["window"].top, drawn["window"].left)
        elif isinstance(step, HLSShift):
            hls_offsets = drawn["hls_offsets"]
        elif isinstance(step, Mirror):
            mirrored = True
    return ImageDraw(decoded, size, matrix, corner, hls_offsets, mirrored)


def from_corners(matrix: np.ndarray) -> np.ndarray:
    """Return the same map float32 [2, 3] where pixels are counted from the corner of the first one, not its center."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    moved = shift + _HALF_PIXEL - linear @ np.full(2, _HALF_PIXEL)
    return np.concatenate([linear, moved[:, None]], axis=1).astype(np.float32)
