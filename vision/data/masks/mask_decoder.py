"""From the bytes of a mask file to class ids, for training and for every tool that looks at masks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from vision.data.containers.image_parts import BadHeaderError
from vision.data.image_header import read_header
from vision.data.masks.color_map import ColorMap
from vision.data.masks.label_map import NO_CLASS, PLAIN, LabelMap
from vision.data.masks.mask_frame import upright_mask
from vision.data.masks.mask_png import IGNORED, MaskImage, read_mask
from vision.data.sample import RawTarget
from vision.settings.errors import DataError

_NAMED = 4


@dataclass(frozen=True)
class MaskDecoder:
    """Reads masks of classes 0 to ``num_classes`` - 1; IGNORED marks pixels that do not count.

    Pixel values become classes by ``label_map``. With ``colors`` the colors count instead, and values mean nothing, as
    in masks of Ground Truth. Picklable.
    """

    num_classes: int
    label_map: LabelMap = PLAIN
    colors: ColorMap | None = None

    def __call__(self, raw: RawTarget, key: str) -> np.ndarray:
        """Return the class ids, uint8 [H, W]. Raises DataError under ``key``."""
        if not isinstance(raw, bytes | memoryview):
            raise DataError(key, "has no mask: give a PNG file with the class of each pixel for each image")
        mask = read_mask(bytes(raw), key)
        if self.colors is not None:
            return self.colors.classify(mask)
        return self._classes_of(mask_values(mask, key), key)

    def in_frame(self, target: np.ndarray, encoded: bytes | memoryview, key: str) -> np.ndarray:
        """Return a mask as it lies on the upright image of the file ``encoded``. Raises DataError where sizes differ.

        A damaged header is reported where the image is decoded.
        """
        with suppress(BadHeaderError):
            header = read_header(bytes(encoded))
            return target if header is None else upright_mask(target, header, key)
        return target

    def _classes_of(self, values: np.ndarray, key: str) -> np.ndarray:
        classes = self.label_map.class_by_value
        known = ((classes >= 0) & (classes < self.num_classes)) | (classes == IGNORED)
        if cv2.LUT(values, (~known).astype(np.uint8)).any():
            raise DataError(key, self._unknown_values(values, known))
        return values if self.label_map.is_identity else cv2.LUT(values, np.maximum(classes, 0).astype(np.uint8))

    def _unknown_values(self, values: np.ndarray, known: np.ndarray) -> str:
        counts = np.bincount(values.ravel(), minlength=256)
        found = [int(value) for value in np.flatnonzero(counts) if not known[value]]
        named = ", ".join(f"{value} in {counts[value]:,}" for value in found[:_NAMED])
        more = f" (and {len(found) - _NAMED} more values)" if len(found) > _NAMED else ""
        if (self.label_map.class_by_value[found] == NO_CLASS).any():
            return (
                f"the mask has the values {named} pixels{more}, which the label map does not name; add them to a class "
                'or give "default": 255 to ignore them'
            )
        used = [int(value) for value in np.flatnonzero(counts) if value != IGNORED]
        return (
            f"the mask has the values {named} pixels{more}, but num_classes={self.num_classes} allows 0 to "
            f"{self.num_classes - 1} and 255 (ignored); {_remedy(used, self.num_classes)}"
        )


def mask_values(mask: MaskImage, key: str) -> np.ndarray:
    """Return indices or grey levels, uint8 [H, W]. Raises DataError for colors, transparency and larger values."""
    pixels = mask.pixels
    if mask.has_colors:
        if pixels.shape[2] == 4 and (pixels[..., 3] != 255).any():
            raise DataError(key, "the mask has transparent pixels; save it as a palette or grey PNG without alpha")
        if (pixels[..., 0] != pixels[..., 1]).any() or (pixels[..., 0] != pixels[..., 2]).any():
            raise DataError(key, _colored(pixels))
        # A grey picture saved in color.
        return np.ascontiguousarray(pixels[..., 0])
    if pixels.dtype == np.uint8:
        return pixels
    highest = int(pixels.max())
    if highest > 255:
        hint = "; they are grey levels times 257" if not (pixels % 257).any() else ""
        raise DataError(
            key, f"the mask has 16-bit values up to {highest}{hint}, but classes are 0 to 254; save it with 8 bits"
        )
    return pixels.astype(np.uint8)


def _colored(pixels: np.ndarray) -> str:
    colors, counts = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:_NAMED]
    named = ", ".join("#{:02x}{:02x}{:02x}".format(*colors[index]) for index in often)
    return (
        f"the mask is in color ({len(colors)} colors: {named}{', ...' if len(colors) > _NAMED else ''}), but each "
        "pixel must hold the number of its class; give a list of the classes' colors, or save it as a palette PNG"
    )


def _remedy(used: list[int], num_classes: int) -> str:
    highest = used[-1]
    if used[0] >= 1 and len(used) == num_classes and highest == num_classes:
        return f"classes count from 0, background included: set num_classes={highest + 1} or shift them by a label map"
    if len(used) <= num_classes:
        pairs = ", ".join(f'"{class_id}": {value}' for class_id, value in enumerate(used[:_NAMED]))
        dots = ", ..." if len(used) > _NAMED else ""
        return f'give a label map such as {{"map": {{{pairs}{dots}}}}}, or set num_classes={min(highest + 1, 254)}'
    return f"set num_classes={highest + 1}" if highest < 254 else "give a label map"
