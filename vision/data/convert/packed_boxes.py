"""Boxes in packed labels, ``[A, B, more header, objects of B numbers each]``, to the neutral form and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vision.data.boxes.packed_label import LEAST_HEADER, LEAST_OBJECT, read_packed
from vision.data.convert.decimals import px_of_unit
from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan
from vision.settings.errors import DataError

# Keys of ``extra``: header numbers beyond A and B, and an object's numbers beyond class, corners and difficult.
HEADER, COLUMNS = "label.header", "label.columns"


def read_boxes(
    labels: np.ndarray, size_px: tuple[int, int], key: str
) -> tuple[tuple[AnnotatedObject, ...], dict[str, Any]]:
    """Objects of a label vector for an image of ``size_px``, and the image's extra. Raises DataError."""
    rows = read_packed(labels, key)
    start, step = int(labels[0]), int(labels[1])
    objects = []
    for place, (class_id, box) in enumerate(zip(rows.class_ids, rows.boxes_xyxy_unit, strict=True)):
        if class_id < 0 or not float(class_id).is_integer():
            raise DataError(key, f"has the class {class_id:g} in box {place}, which must be a whole number from 0")
        corners = [px_of_unit(float(corner), size_px[axis % 2]) for axis, corner in enumerate(box)]
        more = labels[start + place * step + LEAST_OBJECT + 1 : start + (place + 1) * step]
        extra: Mapping[str, Any] = {COLUMNS: [float(column) for column in more]} if more.size else {}
        xyxy_px = (corners[0], corners[1], corners[2], corners[3])
        objects.append(AnnotatedObject(int(class_id), xyxy_px, bool(rows.difficult[place]), extra))
    header = [float(number) for number in labels[LEAST_HEADER:start]]
    return tuple(objects), {HEADER: header} if header else {}


def packed_label(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> list[float]:
    """The label vector of an image's objects."""
    assert image.objects is not None
    header = list(image.extra.get(HEADER, ()))
    width, height = size_px
    label = [float(LEAST_HEADER + len(header)), float(LEAST_OBJECT + plan.object_columns), *header]
    for item in image.objects:
        left, top, right, bottom = item.xyxy_px
        columns = [float(item.difficult), *item.extra.get(COLUMNS, ())]
        columns += [0.0] * (plan.object_columns - len(columns))
        corners = (left / width, top / height, right / width, bottom / height)
        label += [float(item.class_id), *corners, *columns[: plan.object_columns]]
    return label
