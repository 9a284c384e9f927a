"""A COCO segmentation, given by polygons or as a run-length encoded (RLE) mask: its bounding box and its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vision.data.convert.annotated_image import Box
from vision.data.masks.rasterize import fill_polygon, fill_runs

LARGEST_PX = 1e9
# No count needs more characters of five bits each.
_MOST_CHARACTERS = 13


def box_of(segmentation: object) -> Box:
    """Return the corners in pixels, right and bottom exclusive. Raises ValueError with the rest of a sentence."""
    if isinstance(segmentation, Mapping):
        return _box_of_runs(segmentation)
    if isinstance(segmentation, list) and segmentation:
        return _box_of_polygons(segmentation if isinstance(segmentation[0], list) else [segmentation])
    raise ValueError("has neither a bbox nor a segmentation")


def pixels_of(segmentation: object, size_px: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an object, bool [H, W], in an image of (width, height).

    Raises ValueError with the rest of a sentence.
    """
    if isinstance(segmentation, Mapping):
        height, width, runs = _checked_runs(segmentation)
        if (width, height) != size_px:
            raise ValueError(
                f"has an RLE segmentation of {width}x{height} pixels in an image of {size_px[0]}x{size_px[1]}"
            )
        return fill_runs(runs, size_px)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("has no segmentation, only a box: its pixels are not known")
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    _box_of_polygons(polygons)
    pixels = np.zeros(size_px[::-1], bool)
    for polygon in polygons:
        pixels |= fill_polygon(np.array(polygon, np.float64).reshape(-1, 2), size_px)
    return pixels


def is_number(value: object) -> bool:
    """Return whether a JSON value is a plausible pixel coordinate."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_PX


def _box_of_polygons(polygons: Sequence[Any]) -> Box:
    xs: list[float] = []
    ys: list[float] = []
    for polygon in polygons:
        if not (isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0):
            raise ValueError("has a polygon that is not a list of at least three points x, y")
        if not all(map(is_number, polygon)):
            raise ValueError("has a polygon with a coordinate that is not a number of pixels")
        xs += polygon[::2]
        ys += polygon[1::2]
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def _checked_runs(mask: Mapping[str, Any]) -> tuple[int, int, list[int]]:
    """Return height, width and the runs of a mask, which alternate between outside and inside."""
    size, counts = mask.get("size"), mask.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(s, int) and 0 < s < 1 << 20 for s in size)):
        raise ValueError("has an RLE segmentation whose size is not height and width in pixels")
    height, width = size
    runs: list[int] = []
    at = 0
    for run in _decoded(counts) if isinstance(counts, str) else counts if isinstance(counts, list) else ():
        if not isinstance(run, int) or run < 0 or at + run > height * width:
            raise ValueError(f"has an RLE segmentation that does not fit into its {width}x{height} pixels")
        at += run
        runs.append(run)
    return height, width, runs


def _box_of_runs(mask: Mapping[str, Any]) -> Box:
    """Return the box of a mask, whose runs of zeros and ones alternate column by column."""
    height, width, runs = _checked_runs(mask)
    left, top, right, bottom = width, height, 0, 0
    at, is_object = 0, False
    for run in runs:
        if is_object and run:
            first, last = at // height, (at + run - 1) // height
            left, right = min(left, first), max(right, last + 1)
            in_one = first == last
            top = min(top, at % height if in_one else 0)
            bottom = max(bottom, (at + run - 1) % height + 1 if in_one else height)
        at, is_object = at + run, not is_object
    if right <= left:
        raise ValueError("has an RLE segmentation without a pixel")
    return float(left), float(top), float(right), float(bottom)


def _decoded(text: str) -> Iterator[int]:
    """Yield the run lengths of a compressed mask.

    A character holds five bits, the lowest first; from the third run on, the difference to the last but one is stored.
    """
    before: tuple[int, int] = (0, 0)
    at = number = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            code = ord(text[at]) - 48 if at < len(text) and shift < 5 * _MOST_CHARACTERS else -1
            if not 0 <= code < 64:
                raise ValueError("has an RLE segmentation whose counts cannot be read")
            value |= (code & 0x1F) << shift
            more, shift, at = bool(code & 0x20), shift + 5, at + 1
            if not more and code & 0x10:
                value -= 1 << shift
        if number > 2:
            value += before[0]
        yield value
        before, number = (before[1], value), number + 1
