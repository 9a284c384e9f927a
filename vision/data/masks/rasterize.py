"""Fill polygons and runs of pixels: objects of annotation files as masks.

Legend: H and W are the image's size in pixels, P the points of a polygon.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fill_polygon(points_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return which pixels have their center inside a polygon, bool [H, W], by the even-odd rule.

    ``points_px`` float64 [P, 2] are corners x, y, where pixel 0 reaches from 0 to 1. ``size_px`` is (width, height).
    """
    width, height = size_px
    begins, ends = points_px, np.roll(points_px, -1, axis=0)
    upwards = begins[:, 1] > ends[:, 1]
    low, high = np.where(upwards[:, None], ends, begins), np.where(upwards[:, None], begins, ends)
    # Rows whose center an edge crosses.
    first = np.clip(np.ceil(low[:, 1] - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high[:, 1] - 0.5), 0, height).astype(np.int64)
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(points_px)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
    x = low[edge, 0] + (row + 0.5 - low[edge, 1]) * slope
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    crossings = np.zeros((height, width + 1), np.int64)
    np.add.at(crossings, (row, column), 1)
    return np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


def fill_runs(runs: Sequence[int], size_px: tuple[int, int]) -> np.ndarray:
    """Return a mask, bool [H, W], whose runs of outside and inside alternate column by column, as COCO counts them."""
    width, height = size_px
    inside = np.arange(len(runs)) % 2 == 1
    flat = np.repeat(inside, np.array(runs, np.int64))
    pixels = np.zeros(width * height, bool)
    pixels[: len(flat)] = flat
    return pixels.reshape(width, height).T


def runs_of(pixels: np.ndarray) -> dict[str, list[int]]:
    """Return a mask bool [H, W] as COCO's uncompressed RLE: lengths of runs, column by column, the first of False."""
    flat = pixels.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]]))
    return {"size": list(pixels.shape), "counts": [*([0] if flat[0] else []), *runs.tolist()]}


def paint_objects(objects: Sequence[tuple[int, np.ndarray]], size_px: tuple[int, int]) -> np.ndarray:
    """Return the mask, uint8 [H, W], of objects (class id, bool [H, W]) on class 0: large ones first, small ones over.

    Of objects of one size the later covers the earlier.
    """
    mask = np.zeros(size_px[::-1], np.uint8)
    for class_id, pixels in sorted(objects, key=lambda item: -int(item[1].sum())):
        mask[pixels] = class_id
    return mask
