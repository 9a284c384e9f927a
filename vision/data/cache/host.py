"""Batches cut from kept images in the host's memory: the same pixels as image by image, bit by bit.

Legend: N batch, h w size of the crop, C channels.
"""

from __future__ import annotations

import cv2
import numpy as np

from vision.data.cache.kept_images import KeptImages
from vision.data.cache.recipe import Drawn, Recipe


def augment_on_host(kept: KeptImages, indices: np.ndarray, recipe: Recipe, drawn: Drawn) -> np.ndarray:
    """Uint8 [N, h, w, C] of the kept images that ``indices`` int64 [N] name."""
    if kept.stacked is not None and recipe.affine is None:
        cut = _cut_at_once(kept.stacked, indices, recipe, drawn)
    else:
        cut = _cut_one_by_one(kept, indices, recipe, drawn)
    if recipe.colour is not None:
        assert drawn.hls_offsets is not None
        for row, (hue, lightness, saturation) in enumerate(drawn.hls_offsets.tolist()):
            cut[row] = recipe.colour.apply(cut[row], hls_offsets=(hue, lightness, saturation))
    for row in np.flatnonzero(drawn.mirrored).tolist():
        cv2.flip(cut[row], 1, dst=cut[row])
    if recipe.grey is not None:
        # A batch is one tall picture to what works pixel by pixel.
        count, height, width, channels = cut.shape
        cut = recipe.grey.apply(cut.reshape(-1, width, channels)).reshape(count, height, width, 1)
    return cut


def _cut_at_once(images: np.ndarray, indices: np.ndarray, recipe: Recipe, drawn: Drawn) -> np.ndarray:
    """The crops in one indexing: every window of every image is a view, of which NumPy copies those drawn."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (recipe.crop.height, recipe.crop.width), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3)[indices, drawn.tops, drawn.lefts]


def _cut_one_by_one(kept: KeptImages, indices: np.ndarray, recipe: Recipe, drawn: Drawn) -> np.ndarray:
    height, width = recipe.crop.height, recipe.crop.width
    cut = np.empty((len(indices), height, width, kept.layout.channels), np.uint8)
    places = zip(indices.tolist(), drawn.tops.tolist(), drawn.lefts.tolist(), strict=True)
    for row, (index, top, left) in enumerate(places):
        image = kept[index]
        if recipe.affine is not None:
            assert drawn.matrices is not None
            image = recipe.affine.apply(image, matrix=drawn.matrices[row])
        cut[row] = image[top : top + height, left : left + width]
    return cut
