"""Batches cut from kept images in the host's memory: the same pixels as image by image, bit by bit.

Legend: n kept images, N batch, H W kept size, h w size of the crop, C channels.
"""

from __future__ import annotations

import cv2
import numpy as np

from vision.data.cache.recipe import Drawn, Recipe


def augment_on_host(images: np.ndarray, indices: np.ndarray, recipe: Recipe, drawn: Drawn) -> np.ndarray:
    """Uint8 [N, h, w, C] of the kept ``images`` uint8 [n, H, W, C] that ``indices`` int64 [N] name."""
    height, width = recipe.crop.height, recipe.crop.width
    if recipe.affine is None:
        cut = _cut(images, indices, drawn, height, width)
    else:
        assert drawn.matrices is not None
        cut = np.empty((len(indices), height, width, images.shape[3]), np.uint8)
        corners = zip(drawn.tops.tolist(), drawn.lefts.tolist(), strict=True)
        for row, (top, left) in enumerate(corners):
            warped = recipe.affine.apply(images[indices[row]], matrix=drawn.matrices[row])
            cut[row] = warped[top : top + height, left : left + width]
    if recipe.colour is not None:
        assert drawn.hls_offsets is not None
        for row, (hue, lightness, saturation) in enumerate(drawn.hls_offsets.tolist()):
            cut[row] = recipe.colour.apply(cut[row], hls_offsets=(hue, lightness, saturation))
    for row in np.flatnonzero(drawn.mirrored).tolist():
        cv2.flip(cut[row], 1, dst=cut[row])
    if recipe.grey is not None:
        # A batch is one tall picture to what works pixel by pixel.
        cut = recipe.grey.apply(cut.reshape(-1, width, 3)).reshape(-1, height, width, 1)
    return cut


def _cut(images: np.ndarray, indices: np.ndarray, drawn: Drawn, height: int, width: int) -> np.ndarray:
    """The crops in one indexing: every window of every image is a view, of which NumPy copies those drawn."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3)[indices, drawn.tops, drawn.lefts]
