"""Tracks as text of the MOTChallenge, which tracking benchmarks and tools read.

A line is ``frame,id,left,top,width,height,confidence,-1,-1,-1``. Frames, track numbers and pixels count from 1 there:
the upper left pixel of a picture is (1, 1). Here frames and pixels count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from vision.settings.errors import DataError

_COLUMNS = 7


class MotTracks(NamedTuple):
    """``frames`` and ``ids`` int64 [N], ``boxes`` float64 [N, 4] xyxy in pixels and ``scores`` float64 [N]."""

    frames: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def mot_text(frame: int, ids: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> str:
    """Return the lines of one frame, a line for each of its boxes [N, 4] xyxy in pixels whose track number is not 0."""
    return "".join(
        f"{frame + 1},{number},{left + 1:.2f},{top + 1:.2f},{right - left:.2f},{bottom - top:.2f},{score:.4f}"
        ",-1,-1,-1\n"
        for number, (left, top, right, bottom), score in zip(ids, boxes, scores, strict=True)
        if number > 0
    )


def read_mot_text(lines: Iterable[str]) -> MotTracks:
    """Return the tracks of a text. Raises DataError, which names the line."""
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in line.split(",")[:_COLUMNS]]
        except ValueError:
            row = []
        if len(row) < _COLUMNS or not np.isfinite(row).all() or row[0] < 1 or min(row[4:6]) < 0:
            form = "frame,id,left,top,width,height,confidence,-1,-1,-1 with frames from 1"
            raise DataError(f"line {number}", f"{line.strip()[:80]!r} is not of the MOTChallenge's form {form}")
        rows.append(row)
    found = np.array(rows, np.float64).reshape(-1, _COLUMNS)
    corners = found[:, 2:4] - 1
    boxes = np.concatenate([corners, corners + found[:, 4:6]], axis=1)
    return MotTracks(found[:, 0].astype(np.int64) - 1, found[:, 1].astype(np.int64), boxes, found[:, 6])
