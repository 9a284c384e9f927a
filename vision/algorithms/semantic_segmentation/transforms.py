"""How an image and its mask become the network's input: Gluon CV's scaling and cropping, or the image as it is.

Masks are uint8 [H, W] of the size of their image, sampled by nearest neighbor; 255 marks pixels that do not count.
"""

from __future__ import annotations

import cv2
import numpy as np

from vision.algorithms.algorithm import Stage
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.data.augmentations.augmentation import IGNORED_CLASS
from vision.data.augmentations.image_random import ImageRandom
from vision.data.dataset import Transform
from vision.data.masks.mask_frame import fitted_mask

# What the long side of an image is scaled to, in multiples of base_size.
SCALES = (0.5, 2.0)
# From OpenCV: it addresses the pixels that are warped by 16-bit numbers.
_LONGEST_WARPED_PX = 32_000
Masked = tuple[np.ndarray, np.ndarray | None]


class RandomScaleCrop:
    """Mirror half of the images, scale the long side to ``base_px`` times 0.5 to 2, cut a random square of it.

    Where the scaled image is smaller than the square it is filled at the right and the bottom: with black, and the
    mask with 255, where Gluon CV teaches that black is class 0. Only the pixels of the square are computed.
    """

    def __init__(self, base_px: int, crop_px: int) -> None:
        self.base_px = base_px
        self.crop_px = crop_px

    def __call__(self, image: np.ndarray, target: np.ndarray | None, rng_seed: int | None, key: str) -> Masked:
        """Return the image uint8 [crop, crop, 3] and its mask; with a seed they depend on nothing else."""
        target = _fitted(image, target, key)
        rng = ImageRandom(rng_seed)
        mirrored = rng.random() < 0.5
        long_px = rng.randint(round(SCALES[0] * self.base_px), round(SCALES[1] * self.base_px))
        height, width = image.shape[:2]
        scaled = scaled_size(height, width, long_px)
        top = rng.randrange(max(scaled[0] - self.crop_px, 0) + 1)
        left = rng.randrange(max(scaled[1] - self.crop_px, 0) + 1)
        pixels = _cut(image, scaled, top, left, self.crop_px, is_mask=False)
        mask = None
        if target is not None:
            mask = _cut(target, scaled, top, left, self.crop_px, is_mask=True)
        if mirrored:
            pixels = cv2.flip(pixels, 1)
            mask = None if mask is None else cv2.flip(mask, 1)
        return pixels, mask


class CenterCrop:
    """Scale the short side to ``crop_px`` and cut the square in the center: Gluon CV's validation in training."""

    def __init__(self, crop_px: int) -> None:
        self.crop_px = crop_px

    def __call__(self, image: np.ndarray, target: np.ndarray | None, rng_seed: int | None, key: str) -> Masked:
        """Return the image uint8 [crop, crop, 3] and its mask."""
        target = _fitted(image, target, key)
        side = self.crop_px
        height, width = image.shape[:2]
        scaled = (side, side * width // height) if width > height else (side * height // width, side)
        top, left = (scaled[0] - side) // 2, (scaled[1] - side) // 2
        pixels = _cut(image, scaled, top, left, side, is_mask=False)
        if target is None:
            return pixels, None
        return pixels, _cut(target, scaled, top, left, side, is_mask=True)


class WholeImage:
    """The image at its own size."""

    def __call__(self, image: np.ndarray, target: np.ndarray | None, rng_seed: int | None, key: str) -> Masked:
        """Return both as they are."""
        return image, _fitted(image, target, key)


def build_transform(hyperparameters: SemanticSegmentationHyperparameters, stage: Stage) -> Transform:
    """Return the transform of a stage; validation takes whole images where its batches are of one."""
    if stage == "train":
        return RandomScaleCrop(hyperparameters.base_size, hyperparameters.crop_px)
    if stage == "validation" and not hyperparameters.validates_whole_images:
        return CenterCrop(hyperparameters.crop_px)
    return WholeImage()


def _fitted(image: np.ndarray, mask: np.ndarray | None, key: str) -> np.ndarray | None:
    """Return the mask of an image, if there is one. Raises DataError if it does not fit."""
    height, width = image.shape[:2]
    return None if mask is None else fitted_mask(mask, (width, height), key)


def scaled_size(height: int, width: int, long_px: int) -> tuple[int, int]:
    """Return height and width once the long side has ``long_px`` pixels, rounded as Gluon CV does."""
    if height > width:
        return long_px, max(int(width * long_px / height + 0.5), 1)
    return max(int(height * long_px / width + 0.5), 1), long_px


def _cut(pixels: np.ndarray, scaled: tuple[int, int], top: int, left: int, side: int, *, is_mask: bool) -> np.ndarray:
    """Return the square at ``top``, ``left`` of an image or a mask as it would be once resized to ``scaled``.

    ``scaled`` is (height, width). What lies beyond it is black, and ignored in a mask.
    """
    shown = min(side, scaled[0] - top), min(side, scaled[1] - left)
    if is_mask:
        rows = _nearest(pixels.shape[0], scaled[0])[top : top + shown[0]]
        columns = _nearest(pixels.shape[1], scaled[1])[left : left + shown[1]]
        square = pixels.take(rows, axis=0).take(columns, axis=1)
    else:
        square = _warped(pixels, scaled, top, left, shown)
    below, beside = side - shown[0], side - shown[1]
    if below or beside:
        fill = IGNORED_CLASS if is_mask else (0, 0, 0)
        square = cv2.copyMakeBorder(square, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=fill)
    return square


def _nearest(size: int, scaled: int) -> np.ndarray:
    """Return which of ``size`` pixels in a row each of ``scaled`` takes, int64 [scaled].

    The ratio is added up as Pillow and OpenCV's INTER_NEAREST_EXACT do, whose choice between two that are equally near
    depends on it.
    """
    steps = np.full(scaled, size / scaled)
    steps[0] /= 2
    return np.minimum(np.cumsum(steps).astype(np.int64), size - 1)


def _warped(image: np.ndarray, scaled: tuple[int, int], top: int, left: int, shown: tuple[int, int]) -> np.ndarray:
    """Return ``shown`` (height, width) pixels of an image as it would be once resized to ``scaled``, bilinearly.

    An image that gets less than half as wide or high is averaged first, so that no pixel is passed over.
    """
    height, width = image.shape[:2]
    shrunk = tuple(max(int(own / wanted), 1) for own, wanted in zip((height, width), scaled, strict=True))
    if max(shrunk) > 1:
        image = cv2.resize(image, (-(-width // shrunk[1]), -(-height // shrunk[0])), interpolation=cv2.INTER_AREA)
    elif max(height, width) > _LONGEST_WARPED_PX:
        image = cv2.resize(image, scaled[::-1], interpolation=cv2.INTER_LINEAR)
    height, width = image.shape[:2]
    y_ratio, x_ratio = height / scaled[0], width / scaled[1]
    # Centers of pixels are at whole numbers, their borders half a pixel away.
    matrix = np.array(
        [[x_ratio, 0, (left + 0.5) * x_ratio - 0.5], [0, y_ratio, (top + 0.5) * y_ratio - 0.5]], np.float64
    )
    return cv2.warpAffine(
        image, matrix, shown[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
