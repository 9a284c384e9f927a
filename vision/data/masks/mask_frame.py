"""Brings a mask into the frame of its upright image."""

from __future__ import annotations

import numpy as np

from vision.data.containers.image_parts import ImageHeader
from vision.data.image_codec import turn_upright
from vision.settings.errors import DataError


def upright_mask(mask: np.ndarray, header: ImageHeader, key: str) -> np.ndarray:
    """Return a mask uint8 [H, W] as it lies on the upright image. Raises DataError where the sizes differ.

    ``header`` is the image's. A mask of the size that the image is stored in was drawn on the stored pixels, and is
    turned as the image is by its EXIF orientation; one that only fits the upright image is left as it is.
    """
    if mask.shape == (header.height, header.width):
        return turn_upright(mask, header.orientation) if header.orientation != 1 else mask
    return fitted_mask(mask, header.upright_size, key)


def fitted_mask(mask: np.ndarray, size_px: tuple[int, int], key: str) -> np.ndarray:
    """Return the mask uint8 [H, W] of an upright image of ``size_px`` (width, height).

    Raises DataError where the sizes differ. A mask of background alone fits any image: Ground Truth refers to one
    small file for all images without objects.
    """
    height, width = mask.shape
    if (width, height) == size_px:
        return mask
    if not mask.any():
        return np.zeros(size_px[::-1], np.uint8)
    remedy = (
        "one of them lies on its side: turn the mask by 90 degrees, as the image is"
        if (height, width) == size_px
        else "scale the mask by nearest neighbor to the size of the image"
    )
    raise DataError(key, f"the mask has {width}x{height} pixels, but its image has {size_px[0]}x{size_px[1]}; {remedy}")


def stored_mask(mask: np.ndarray, header: ImageHeader) -> np.ndarray:
    """Return the mask of an upright image as it lies on the stored pixels: what ``upright_mask`` turns back."""
    return turn_upright(mask, {6: 8, 8: 6}.get(header.orientation, header.orientation))
