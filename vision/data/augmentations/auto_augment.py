"""Augmentation without choices: TrivialAugment (Müller and Hutter 2021) and RandAugment (Cubuk et al. 2019).

Operations, strengths and draws are those of torchvision's ``TrivialAugmentWide`` and ``RandAugment``; what a warp
uncovers is filled with grey, and warps are bilinear.
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import cv2
import numpy as np

from vision.data.augmentations.augmentation import IGNORED_CLASS, NO_TARGET, Augmentation, SpatialTarget

Kind = Literal["trivial", "rand"]
FILL_VALUE = 127
# Strengths are counted from 0 to 30.
_LEVELS = 31
_RAND_LEVEL = 9
_RAND_OPERATIONS = 2
_SIGNED_COLORS = ("brightness", "color", "contrast", "sharpness")
_COLORS = ("identity", *_SIGNED_COLORS, "posterize", "solarize", "autocontrast", "equalize")
_WARPS = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
# The largest strengths: shear in pixels a pixel, rotation in degrees.
_STRONGEST = {
    "trivial": {"shear": 0.99, "rotate": 135.0, "color": 0.99, "lost_bits": 6},
    "rand": {"shear": 0.3, "rotate": 30.0, "color": 0.9, "lost_bits": 4},
}
_TRIVIAL_TRANSLATION_PX = 32.0
_RAND_TRANSLATION = 150.0 / 331.0


class AutoAugment(Augmentation):
    """``trivial``: one operation of random strength; ``rand``: two, of strength 9 of 30.

    With ``colors_only`` nothing moves: for boxes, since what encloses a turned box is larger than its object.
    """

    def __init__(self, kind: Kind, colors_only: bool = False, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.kind: Kind = kind
        self.colors_only = colors_only

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        names = _COLORS if self.colors_only else _COLORS + _WARPS
        drawn = []
        for _ in range(1 if self.kind == "trivial" else _RAND_OPERATIONS):
            name = names[rng.randrange(len(names))]
            level = rng.randrange(_LEVELS) if self.kind == "trivial" else _RAND_LEVEL
            sign = -1.0 if rng.random() < 0.5 else 1.0
            drawn.append((name, strength(self.kind, name, level, shape) * (sign if is_signed(name) else 1.0)))
        return {"operations": tuple(drawn)}

    def apply(self, img: np.ndarray, operations: tuple[tuple[str, float], ...], **params: Any) -> np.ndarray:
        for name, value in operations:
            if name in _WARPS:
                img = _warped(img, name, value, cv2.INTER_LINEAR, FILL_VALUE).reshape(img.shape)
            else:
                img = recolored(img, name, value).reshape(img.shape)
        return img

    def apply_to_bboxes(self, bboxes: np.ndarray, **params: Any) -> np.ndarray:
        assert self.colors_only, "boxes cannot be turned"
        return bboxes

    def apply_to_mask(self, mask: np.ndarray, operations: tuple[tuple[str, float], ...], **params: Any) -> np.ndarray:
        for name, value in operations:
            if name in _WARPS:
                mask = _warped(mask, name, value, cv2.INTER_NEAREST, IGNORED_CLASS)
        return mask


def is_signed(name: str) -> bool:
    """Return whether an operation works in both directions."""
    return name in _WARPS or name in _SIGNED_COLORS


def strength(kind: Kind, name: str, level: int, shape: tuple[int, ...]) -> float:
    """Return the strength of an operation at a level of 0 to 30 for an image of ``shape`` (height, width, ...).

    Bits that are kept for posterize, the first inverted value for solarize, pixels or degrees for warps, and the change
    of a factor around 1 for colors.
    """
    strongest, share = _STRONGEST[kind], level / (_LEVELS - 1)
    if name == "posterize":
        return 8.0 - round(share * strongest["lost_bits"])
    if name == "solarize":
        return 255.0 * (1.0 - share)
    if name in _SIGNED_COLORS:
        return strongest["color"] * share
    if name.startswith("shear"):
        return strongest["shear"] * share
    if name == "rotate":
        return strongest["rotate"] * share
    if name.startswith("translate"):
        side_px = shape[1] if name == "translate_x" else shape[0]
        return share * (_TRIVIAL_TRANSLATION_PX if kind == "trivial" else _RAND_TRANSLATION * side_px)
    return 0.0


def recolored(image: np.ndarray, name: str, value: float) -> np.ndarray:
    """Return an image uint8 [H, W, 1 or 3] after an operation that moves nothing."""
    levels = np.arange(256, dtype=np.float32)
    if name == "brightness":
        return _by_table(image, levels * (1.0 + value))
    if name == "contrast":
        return _by_table(image, levels * (1.0 + value) - value * float(_grey(image).mean()))
    if name == "color":
        return image if image.shape[2] == 1 else _blended(image, cv2.cvtColor(_grey(image), cv2.COLOR_GRAY2RGB), value)
    if name == "sharpness":
        return _sharpened(image, value)
    if name == "posterize":
        return image & np.uint8(256 - (1 << (8 - int(value))))
    if name == "solarize":
        return _by_table(image, np.where(levels >= value, 255.0 - levels, levels))
    if name in ("autocontrast", "equalize"):
        table = _stretching if name == "autocontrast" else _equalizing
        planes = [_by_table(plane, table(plane)) for plane in cv2.split(image)]
        return cv2.merge(planes)
    assert name == "identity", name
    return image


def _by_table(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each value by that in ``table`` [256], cut off at 0 and 255."""
    return cv2.LUT(image, np.clip(table, 0.0, 255.0).astype(np.uint8))


def _grey(image: np.ndarray) -> np.ndarray:
    return image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _blended(image: np.ndarray, other: np.ndarray, value: float) -> np.ndarray:
    """Move an image away from another, for a negative ``value`` towards it."""
    return cv2.addWeighted(image, 1.0 + value, other, -value, 0.0)


def _sharpened(image: np.ndarray, value: float) -> np.ndarray:
    if min(image.shape[:2]) <= 2:
        return image
    kernel = np.ones((3, 3), np.float32)
    kernel[1, 1] = 5.0
    smooth = cv2.filter2D(image, -1, kernel / kernel.sum()).reshape(image.shape)
    # The border stays as it is.
    result = image.copy()
    inner = (slice(1, -1), slice(1, -1))
    result[inner] = _blended(image[inner].copy(), smooth[inner].copy(), value).reshape(result[inner].shape)
    return result


def _stretching(plane: np.ndarray) -> np.ndarray:
    """Return the table that makes the darkest value 0 and the brightest 255; for one value alone, that of no change."""
    low, high = int(plane.min()), int(plane.max())
    levels = np.arange(256, dtype=np.float32)
    return levels if low == high else (levels - low) * np.float32(255.0 / (high - low))


def _equalizing(plane: np.ndarray) -> np.ndarray:
    """Return the table after which all values are about equally frequent."""
    counts = np.bincount(plane.reshape(-1), minlength=256)
    step = int(counts[: np.flatnonzero(counts)[-1]].sum()) // 255
    if step == 0:
        return np.arange(256, dtype=np.float32)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return ((below + step // 2) // step).astype(np.float32)


def _warped(pixels: np.ndarray, name: str, value: float, method: int, fill_value: int) -> np.ndarray:
    """Return pixels [H, W] or [H, W, C] moved by one of the warps, by a map from new to old pixels."""
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    height, width = pixels.shape[:2]
    if name == "rotate":
        cosine, sine = math.cos(math.radians(value)), math.sin(math.radians(value))
        x, y = (width - 1) / 2.0, (height - 1) / 2.0
        matrix[:, :2] = [[cosine, -sine], [sine, cosine]]
        matrix[:, 2] = [x - cosine * x + sine * y, y - sine * x - cosine * y]
    else:
        row = 0 if name.endswith("x") else 1
        if name.startswith("shear"):
            # About the corner of the first pixel, half a pixel from its center.
            matrix[row, 1 - row], matrix[row, 2] = value, value / 2.0
        else:
            matrix[row, 2] = -int(value)
    return cv2.warpAffine(
        pixels,
        matrix,
        (width, height),
        flags=method | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill_value,) * 3,
    )
