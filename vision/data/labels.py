"""What a raw label means: a class of its image, several classes, boxes, or a class for each pixel.

Legend: W numbers of a label vector.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from vision.data.boxes.object_rows import ObjectRows, has_header, is_packed, read_annotation, read_packed
from vision.data.readers.class_names import MAX_CLASS_ID
from vision.data.sample import RawTarget
from vision.settings.errors import DataError

Task = Literal["single", "multi", "boxes", "mask"]
TASK_NAMES: dict[Task, str] = {
    "single": "one class an image",
    "multi": "several classes an image",
    "boxes": "boxes",
    "mask": "masks of pixels",
}
# A class id that was written as a fraction, such as 2.00001, still is one.
TOLERANCE = 1e-4


def task_of(raw: RawTarget) -> Task | None:
    """Return what a label means, None where that is unclear.

    A vector float [W] of one number is a class; one that begins with the widths of header and object holds boxes; one
    of 0 and 1 has a column for each class. A list has 0 or 1 for each class too, a tuple holds class ids. Bytes are
    an image that labels the pixels.
    """
    if isinstance(raw, np.ndarray):
        if raw.size == 1:
            return "single"
        if has_header(raw):
            return "boxes" if is_packed(raw) else None
        return "multi" if np.isin(raw, (0, 1)).all() else None
    if isinstance(raw, bytes):
        return "mask"
    if isinstance(raw, Mapping):
        return "boxes"
    if isinstance(raw, list | tuple):
        return "multi"
    return "single" if _is_whole(raw) else None


def task_hint(found: Task, wanted: Collection[Task]) -> str:
    """Return the likely mistake where labels are of another kind than wanted; "" if there is none."""
    if found == "single" and "boxes" in wanted:
        return "a .lst with boxes needs im2rec --pack-label, or only the first number of each label is kept"
    return ""


def read_label(raw: RawTarget, key: str) -> tuple[int, ...] | ObjectRows:
    """Return the class ids of an image, sorted, or its objects, whichever the label holds. Raises DataError."""
    if isinstance(raw, Mapping) or (isinstance(raw, np.ndarray) and task_of(raw) not in ("single", "multi")):
        return read_objects(raw, key)
    return read_class_ids(raw, key)


def read_class_ids(raw: RawTarget, key: str) -> tuple[int, ...]:
    """Return the classes that the label of a whole image names, sorted. Raises DataError."""
    values = numbers(raw, key)
    if isinstance(raw, tuple):
        return tuple(sorted({class_id(value, key) for value in values}))
    if isinstance(raw, list) or values.size != 1:
        if not np.isin(values, (0, 1)).all():
            raise DataError(
                key,
                f"has the label {shown_label(raw)}, which must hold 0 or 1 for each class; for class ids in a manifest "
                "set the channel's label_format=class-id",
            )
        return tuple(np.flatnonzero(values).tolist())
    return (class_id(values[0], key),)


def read_objects(raw: RawTarget, key: str) -> ObjectRows:
    """Return the objects of a packed label (RecordIO, .lst) or of a JSON object (annotation file, manifest).

    Raises DataError where the label is not of its form; what the boxes say is not judged here.
    """
    if isinstance(raw, np.ndarray):
        return read_packed(raw, key)
    if isinstance(raw, Mapping):
        return read_annotation(raw, key)
    raise DataError(
        key,
        f"has the label {shown_label(raw)}, where an object with image_size and annotations is expected: name the "
        "attribute that holds the boxes in the channel's attributes, or use algorithm=image_classification",
    )


def numbers(raw: RawTarget, key: str) -> np.ndarray:
    """Return the numbers of a label that names classes, float64 [W]. Raises DataError."""
    if isinstance(raw, np.ndarray):
        return raw.astype(np.float64).reshape(-1)
    if isinstance(raw, bytes):
        raise DataError(key, "has an image that labels its pixels, where a class id or a list is expected")
    if isinstance(raw, Mapping):
        hint = "; boxes belong to algorithm=object_detection" if "annotations" in raw else ""
        raise DataError(key, f"has a JSON object as its label, where a class id or a list is expected{hint}")
    items = list(raw) if isinstance(raw, list | tuple) else [raw]
    if not all(_is_whole(item) or isinstance(item, float) for item in items):
        raise DataError(key, f"has the label {shown_label(raw)}, which is not a class id or a list of them")
    return np.asarray(items, np.float64)


def class_id(number: float, key: str) -> int:
    """Return the class that a number stands for. Raises DataError."""
    if not (np.isfinite(number) and abs(number - round(number)) <= TOLERANCE and 0 <= round(number) <= MAX_CLASS_ID):
        raise DataError(key, f"has the class {number:g}, which must be a whole number from 0 to {MAX_CLASS_ID}")
    return round(number)


def shown_label(raw: RawTarget) -> str:
    """Return the beginning of a label for a message."""
    if isinstance(raw, bytes):
        return f"an image of {len(raw)} bytes"
    held = list(raw) if isinstance(raw, tuple) else raw
    return repr(held)[:40]


def class_counts(labels: Sequence[tuple[int, ...] | ObjectRows | None]) -> np.ndarray:
    """Return the number of images, or boxes, of each class, int64 [K]; invalid class ids do not count."""
    ids: list[int] = []
    for label in labels:
        if isinstance(label, ObjectRows):
            ids += [
                int(number) for number in label.class_ids if 0 <= number <= MAX_CLASS_ID and float(number).is_integer()
            ]
        else:
            ids += label or ()
    return np.bincount(np.array(ids, np.int64)) if ids else np.zeros(0, np.int64)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
