"""The colors of class ids in masks: those of PASCAL VOC, which most programs give to ids."""

from __future__ import annotations

import numpy as np


def class_colors(count: int) -> np.ndarray:
    """Return the RGB color of the ids 0 to ``count`` - 1, uint8 [count, 3], of 256 at most; id 0 is black.

    The bits of an id go to red, green and blue in turn, from the highest bit of each color down.
    """
    assert 0 <= count <= 256, count
    ids = np.arange(count)
    colors = np.zeros((count, 3), np.uint8)
    for level in range(3):
        for channel in range(3):
            bit = (ids >> (3 * level + channel)) & 1
            colors[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colors
