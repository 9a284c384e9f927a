"""Faults of boxes, found for all boxes of an image or a channel at once. Legend: M objects."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import numpy as np

from vision.data.boxes.object_rows import ObjectRows

Policy = Literal["clip", "drop", "fail"]
# Labels are often rounded to four decimals; what that pushes over the border is not a fault.
ROUNDING = 1e-4


class Fault(IntEnum):
    """The most serious fault of a box."""

    NONE = 0
    PARTLY_OUTSIDE = 1
    OUTSIDE = 2
    NO_AREA = 3
    INVERTED = 4
    CLASS = 5


def find_faults(rows: ObjectRows, num_classes: int) -> np.ndarray:
    """Return the Fault of each object, uint8 [M]."""
    boxes, classes = rows.boxes_xyxy_unit, rows.class_ids
    inside = clipped(boxes)
    low, high, inside_low, inside_high = boxes[:, :2], boxes[:, 2:], inside[:, :2], inside[:, 2:]
    return np.select(
        [
            (classes != np.rint(classes)) | (classes < 0) | (classes >= num_classes),
            (high < low).any(axis=1),
            (high.astype(np.float32) <= low.astype(np.float32)).any(axis=1),
            (inside_high <= inside_low).any(axis=1),
            ((boxes < -ROUNDING) | (boxes > 1 + ROUNDING)).any(axis=1),
        ],
        [Fault.CLASS, Fault.INVERTED, Fault.NO_AREA, Fault.OUTSIDE, Fault.PARTLY_OUTSIDE],
        Fault.NONE,
    ).astype(np.uint8)


def clipped(boxes_xyxy_unit: np.ndarray) -> np.ndarray:
    """Return the boxes clipped to the image, float32 [M, 4]."""
    return np.clip(boxes_xyxy_unit, 0, 1).astype(np.float32)


def is_kept(faults: np.ndarray, policy: Policy) -> np.ndarray:
    """Return which boxes are kept, bool [M]; boxes without area or entirely outside never are."""
    return faults <= (Fault.PARTLY_OUTSIDE if policy == "clip" else Fault.NONE)


def is_fatal(faults: np.ndarray, policy: Policy) -> np.ndarray:
    """Return which faults the policy does not tolerate, bool [M]: a wrong class always, others only under "fail"."""
    return faults >= (Fault.PARTLY_OUTSIDE if policy == "fail" else Fault.CLASS)


def fault_message(rows: ObjectRows, number: int, fault: Fault, num_classes: int) -> str:
    """Return the rest of a sentence that begins with the record's key: the fault of box ``number`` and its remedy."""
    corners = ", ".join(f"{corner:.4g}" for corner in rows.boxes_xyxy_unit[number])
    box = f"box {number} (corners {corners} of the image)"
    in_pixels = rows.form == "pixels"
    match fault:
        case Fault.CLASS:
            return (
                f"has the class {rows.class_ids[number]:g} in box {number}, but with hp.num_classes={num_classes} "
                f"classes are whole numbers from 0 to {num_classes - 1} (count classes from 0, and set hp.num_classes "
                "to their number)"
            )
        case Fault.INVERTED if in_pixels:
            return f"has a negative width or height in {box}: give left, top, width, height"
        case Fault.INVERTED:
            return (
                f"has {box} ending before it begins: give xmin, ymin, xmax, ymax; where the numbers are x, y, width, "
                "height, add x to the width and y to the height"
            )
        case Fault.NO_AREA:
            return f"has {box} without area: remove it or correct it"
        case Fault.OUTSIDE:
            return f"has {box} outside its image: remove it or correct it{_size_hint(in_pixels)}"
    return f"has {box} partly outside its image: correct it{_size_hint(in_pixels)}, or set run.bad_boxes=clip"


def _size_hint(in_pixels: bool) -> str:
    return " or its image_size" if in_pixels else ""
