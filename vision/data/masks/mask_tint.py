"""The colors in which a mask lies over its image. h and w: the mask's sides in pixels."""

from __future__ import annotations

import numpy as np

from vision.data.masks.mask_png import IGNORED, class_colors

_OPACITY = 170
# Of pixels that do not count.
IGNORED_RGBA = (156, 163, 175, 200)


def tint(mask: np.ndarray) -> np.ndarray:
    """Return the colors of the classes in a mask uint8 [h, w], as uint8 [h, w, 4] RGBA; what is ignored is grey.

    Class 0, mostly the background, lets the image through.
    """
    rgba = np.zeros((256, 4), np.uint8)
    rgba[:, :3] = class_colors(256)
    rgba[1:, 3] = _OPACITY
    rgba[IGNORED] = IGNORED_RGBA
    return rgba[mask]
