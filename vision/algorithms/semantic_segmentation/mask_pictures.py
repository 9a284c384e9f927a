"""Truth, prediction and their difference as pictures to lay over an image. h and w: the sides of a small mask."""

from __future__ import annotations

import numpy as np

from vision.data.masks.mask_png import IGNORED
from vision.data.masks.mask_tint import IGNORED_RGBA, tint
from vision.metrics.evaluation import Overlay

_WRONG, _RIGHT = (239, 68, 68, 220), (0, 0, 0, 120)


def overlays(truth: np.ndarray, predicted: np.ndarray) -> tuple[Overlay, Overlay, Overlay]:
    """Return the pictures of two masks uint8 [h, w]: the truth, the prediction, and where they differ.

    Class 0, mostly the background, lets the image through. In the difference, what is wrong is red, what is right dark
    and what is ignored grey.
    """
    difference = np.empty((*truth.shape, 4), np.uint8)
    difference[:] = _RIGHT
    difference[predicted != truth] = _WRONG
    difference[truth == IGNORED] = IGNORED_RGBA
    return Overlay(tint(truth)), Overlay(tint(predicted)), Overlay(difference)
