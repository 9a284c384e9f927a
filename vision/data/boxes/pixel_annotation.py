"""Boxes as annotation files and Ground Truth's manifests state them: left, top, width, height in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.boxes.packed_label import LEAST_HEADER, LEAST_OBJECT
from vision.settings.errors import DataError

FIELDS = ("class_id", "left", "top", "width", "height")
LARGEST_NUMBER = 1e9


def read_annotation(raw: Mapping[str, Any], key: str) -> ObjectRows:
    """The objects of a JSON object with ``image_size`` and ``annotations``. Raises DataError.

    ``image_size`` may be an object or, as SageMaker writes it, a list of one. Its ``depth`` says nothing: whatever the
    file holds is decoded to RGB.
    """
    width, height = stated_size(raw, key)
    items = raw.get("annotations")
    if not isinstance(items, list):
        raise DataError(
            key, f"has no list 'annotations' among {_names(raw)}: give one, empty for an image without objects"
        )
    numbers = np.array([_box(item, number, key) for number, item in enumerate(items)], np.float64)
    numbers = numbers.reshape(-1, len(FIELDS))
    left, top, box_width, box_height = numbers[:, 1:].T
    if len(items) and (np.abs(numbers[:, 1:]) <= 1).all() and (numbers[:, 1:] % 1 != 0).any():
        raise DataError(
            key,
            f"has boxes of at most one pixel in an image of {width:g}x{height:g}, which look like fractions: multiply "
            "left and width by the image's width, top and height by its height",
        )
    corners = np.stack([left / width, top / height, (left + box_width) / width, (top + box_height) / height], axis=1)
    label_width = LEAST_HEADER + LEAST_OBJECT * len(items)
    return ObjectRows(numbers[:, 0], corners, np.zeros(len(items), bool), "pixels", label_width)


def stated_size(raw: Mapping[str, Any], key: str) -> tuple[float, float]:
    """(width, height) in pixels of the image on which the boxes were drawn, as ``image_size`` states it."""
    expected = 'give "image_size": [{"width": 640, "height": 480, "depth": 3}] with the size in pixels'
    if "image_size" not in raw:
        raise DataError(key, f"has no 'image_size' among {_names(raw)}: {expected}")
    size = raw["image_size"]
    if isinstance(size, list) and len(size) == 1:
        size = size[0]
    if not isinstance(size, Mapping):
        raise DataError(key, f"has image_size={size!r:.60}, which must be one object: {expected}")
    width, height = size.get("width"), size.get("height")
    if not (_is_number(width) and _is_number(height) and width > 0 and height > 0):
        raise DataError(key, f"has an image_size of width {width!r:.20} and height {height!r:.20}: {expected}")
    return float(width), float(height)


def _box(item: object, number: int, key: str) -> tuple[float, ...]:
    if not isinstance(item, Mapping):
        raise DataError(
            key, f"has {item!r:.40} for annotation {number}, which must be an object with {', '.join(FIELDS)}"
        )
    missing = [name for name in FIELDS if name not in item]
    if missing:
        hint = "; SageMaker's boxes are left, top, width, height in pixels" if set(missing) - {"class_id"} else ""
        raise DataError(key, f"has no {', '.join(missing)} in annotation {number}, which has {_names(item)}{hint}")
    wrong = next((name for name in FIELDS if not _is_number(item[name])), None)
    if wrong is not None:
        raise DataError(key, f"has {wrong}={item[wrong]!r:.40} in annotation {number}: give a finite number")
    return tuple(float(item[name]) for name in FIELDS)


def _is_number(value: object) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # Python's integers have no bound of their own.
    return -LARGEST_NUMBER <= value <= LARGEST_NUMBER


def _names(item: Mapping[str, Any]) -> str:
    return ", ".join(map(str, item))[:100] or "no keys at all"
