"""Detection labels as .lst files and RecordIO pack them: ``[A, B, more header, objects of B numbers each]``.

A is the width of the header including A and B, B that of an object: class, xmin, ymin, xmax, ymax as fractions
of the image, and in a sixth number, if there is one, whether the object is difficult.
"""

from __future__ import annotations

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.settings.errors import DataError

LEAST_HEADER, LEAST_OBJECT = 2, 5
# A box may leave its image, but corners this far outside are not fractions.
LARGEST_FRACTION = 2.0
LAYOUT = "2, 5, then class, xmin, ymin, xmax, ymax of each object"


def has_header(label: np.ndarray) -> bool:
    """Whether a label vector of any type begins with sound widths of header and object."""
    if label.size < LEAST_HEADER:
        return False
    header, width = float(label[0]), float(label[1])
    return header.is_integer() and width.is_integer() and header >= LEAST_HEADER and width >= LEAST_OBJECT


def is_packed(label: np.ndarray) -> bool:
    """Whether a label vector has a header and then whole objects, or none."""
    return has_header(label) and label[0] <= label.size and (label.size - int(label[0])) % int(label[1]) == 0


def read_packed(label: np.ndarray, key: str) -> ObjectRows:
    """The objects of a label vector. A label that is only a header is an image without objects.

    Rows of -1 at the end are padding, as in MXNet's batches. Raises DataError.
    """
    length = label.size
    if length < LEAST_HEADER:
        raise DataError(
            key,
            f"has a single number as its label, where boxes are expected ({LAYOUT}): pack the .lst with im2rec "
            "--pack-label, without which only the first number is kept, or give annotation files in a channel "
            "train_annotation or validation_annotation",
        )
    if not has_header(label):
        raise DataError(key, _no_header(label))
    start, step = int(label[0]), int(label[1])
    count, rest = divmod(length - start, step)
    if rest or count < 0:
        raise DataError(
            key,
            f"has a label of {length} numbers, which is no header of {start} followed by objects of {step} each: "
            "restore the missing numbers, or correct the first two",
        )
    rows = label[start:].reshape(count, step)
    while count and rows[count - 1, 0] == -1 and (rows[count - 1, :LEAST_OBJECT] == -1).all():
        count -= 1
    rows = rows[:count].astype(np.float64)
    if count:
        _check_numbers(rows[:, : LEAST_OBJECT + 1], key)
    difficult = rows[:, LEAST_OBJECT] > 0.5 if step > LEAST_OBJECT else np.zeros(count, bool)
    return ObjectRows(rows[:, 0], rows[:, 1:LEAST_OBJECT], difficult, "corners", length)


def _check_numbers(rows: np.ndarray, key: str) -> None:
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(key, f"has {rows[row, column]} in box {row}: give a finite number, or remove the box")
    corners = rows[:, 1:LEAST_OBJECT]
    if np.abs(corners).max() > LARGEST_FRACTION:
        row, column = np.unravel_index(np.abs(corners).argmax(), corners.shape)
        raise DataError(
            key,
            f"has the corner {corners[row, column]:g} in box {row}, which must be a fraction of the image from 0 to 1: "
            "if the label is in pixels, divide x by the image's width and y by its height",
        )


def _no_header(label: np.ndarray) -> str:
    begin = ", ".join(f"{number:g}" for number in label[:2])
    what = f"has a label that begins with {begin}, where the widths of header and object belong (at least 2 and 5)"
    if label.size % LEAST_OBJECT == 0:
        return f"{what}: put 2 and 5 in front of the objects ({LAYOUT})"
    return f"{what}: write {LAYOUT}"
