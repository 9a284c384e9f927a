"""A raw label of any reader as what inspection counts: classes of the image, or its boxes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.boxes.packed_label import read_packed
from vision.data.boxes.pixel_annotation import read_annotation
from vision.data.readers.class_names import MAX_CLASS_ID
from vision.data.sample import RawTarget
from vision.settings.channels import LabelFormat
from vision.settings.errors import DataError


def read_label(raw: RawTarget, label_format: LabelFormat | None, key: str) -> tuple[int, ...] | ObjectRows:
    """Class ids of the image, sorted, or its objects. Raises DataError."""
    if isinstance(raw, Mapping):
        return read_annotation(raw, key)
    if isinstance(raw, np.ndarray):
        if raw.size == 1:
            return (_class_id(float(raw[0]), key),)
        if np.isin(raw, (0, 1)).all():
            return tuple(np.flatnonzero(raw).tolist())
        return read_packed(raw, key)
    if isinstance(raw, list):
        if not all(isinstance(item, int) and not isinstance(item, bool) for item in raw):
            raise DataError(key, f"has the label {str(raw)[:60]}, which must hold whole numbers")
        if label_format == "class-id":
            return tuple(sorted({_class_id(item, key) for item in raw}))
        if any(item not in (0, 1) for item in raw):
            raise DataError(
                key,
                f"has the label {str(raw)[:60]}, which must hold 0 or 1 for each class; for class ids set the "
                "channel's label_format=class-id",
            )
        return tuple(np.flatnonzero(raw).tolist())
    if isinstance(raw, int):
        return (_class_id(raw, key),)
    raise DataError(key, f"has the label {str(raw)[:60]!r}, which is no class number, list or bounding-box object")


def _class_id(number: float, key: str) -> int:
    if not (float(number).is_integer() and 0 <= number <= MAX_CLASS_ID):
        raise DataError(key, f"has the class {number:g}, which must be a whole number from 0 to {MAX_CLASS_ID}")
    return int(number)
