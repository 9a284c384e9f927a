"""Fill polygons and runs of pixels: objects of annotation files as masks.

Legend: H and W are the image's size in pixels, P the points of a polygon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

_CROSSINGS_AT_ONCE = 1 << 22


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
    crossings = np.zeros((height, width + 1), np.int64)
    # In groups of edges, so that many long ones need no more memory than few.
    starts = np.flatnonzero(np.diff(np.cumsum(counts) // _CROSSINGS_AT_ONCE, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(counts)], strict=True):
        part = counts[start:end]
        edge = np.repeat(np.arange(start, end), part)
        row = np.arange(part.sum()) - np.repeat(np.cumsum(part) - part, part) + first[edge]
        slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
        x = low[edge, 0] + (row + 0.5 - low[edge, 1]) * slope
        column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
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


def paint_objects(objects: Iterable[tuple[int, np.ndarray]], size_px: tuple[int, int]) -> np.ndarray:
    """Return the mask, uint8 [H, W], of objects (class id, bool [H, W]) on class 0: large ones first, small ones over.

    Of objects of one size the later covers the earlier. Of each only the part that it covers is held.
    """
    mask = np.zeros(size_px[::-1], np.uint8)
    held = [(class_id, *_trimmed(pixels)) for class_id, pixels in objects]
    for class_id, window, pixels in sorted(held, key=lambda item: -int(item[2].sum())):
        mask[window][pixels] = class_id
    return mask


def _trimmed(pixels: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the smallest window of a mask bool [H, W] that holds its pixels, and a copy of the mask in it."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return (slice(0), slice(0)), pixels[:0, :0].copy()
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return window, pixels[window].copy()
