"""Convert labels between the neutral form and vectors (.lst, RecordIO) or JSON (manifests, annotation files)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vision.data.boxes.object_rows import FIELDS, LEAST_HEADER, LEAST_OBJECT, read_annotation, read_packed
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.labels import TASK_NAMES, Task, read_class_ids, task_of
from vision.settings.errors import DataError

# Sums and differences of pixel coordinates in float64.
ARITHMETIC_PX = 1e-9
# Keys of ``extra``: header numbers beyond A and B, and an object's numbers beyond class, corners and difficult.
HEADER, COLUMNS = "label.header", "label.columns"
_MOST_DIGITS = 12


def shortest(value: float, tolerance: float) -> float:
    """Return the number with the fewest decimals within ``tolerance`` of ``value``: 260 for 260.00001."""
    for digits in range(_MOST_DIGITS):
        rounded = round(value, digits)
        if abs(rounded - value) <= tolerance:
            return rounded + 0.0
    return value


def px_of_unit(fraction: float, size_px: int) -> float:
    """Return the pixel coordinate for a float32 fraction of ``size_px``; dividing it gives the same float32 again."""
    stored = np.float32(fraction)
    value = float(stored) * size_px
    for digits in range(_MOST_DIGITS):
        rounded = round(value, digits)
        if np.float32(rounded / size_px) == stored:
            return rounded + 0.0
    return value


def number(value: float) -> int | float:
    """Return whole numbers as int, so that JSON and XML show no decimal point."""
    return int(value) if float(value).is_integer() else float(value)


def read_objects(
    annotation: Mapping[str, Any], key: str, prefix: str, more: Sequence[Mapping[str, Any]] = ()
) -> tuple[tuple[AnnotatedObject, ...], tuple[int, int]]:
    """Return objects and (width, height) of a JSON object with ``image_size`` and ``annotations``. Raises DataError.

    Further keys of a box become extra under ``prefix``; ``more`` holds such keys in a list beside the boxes.
    """
    read_annotation(annotation, key)
    size = annotation["image_size"]
    size = size[0] if isinstance(size, list) else size
    objects = []
    for place, item in enumerate(annotation["annotations"]):
        class_id = item["class_id"]
        if class_id < 0 or class_id != int(class_id):
            raise DataError(key, f"has the class {class_id} in annotation {place}, which must be a number from 0")
        extra = {f"{prefix}{name}": value for name, value in item.items() if name not in FIELDS}
        if place < len(more) and isinstance(more[place], Mapping):
            extra |= {f"{prefix}{name}": value for name, value in more[place].items()}
        box = xyxy_of_ltwh(item["left"], item["top"], item["width"], item["height"])
        objects.append(AnnotatedObject(int(class_id), box, False, extra))
    return tuple(objects), (int(size["width"]), int(size["height"]))


def xyxy_of_ltwh(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Return the corners of a box, all in pixels."""
    right, bottom = shortest(left + width, ARITHMETIC_PX), shortest(top + height, ARITHMETIC_PX)
    return float(left), float(top), right, bottom


def ltwh_of_xyxy(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a box in pixels, as int where they are whole."""
    left, top, right, bottom = box
    width, height = shortest(right - left, ARITHMETIC_PX), shortest(bottom - top, ARITHMETIC_PX)
    return number(left), number(top), number(width), number(height)


def annotation_of(objects: Sequence[AnnotatedObject], size_px: tuple[int, int]) -> dict[str, Any]:
    """Return the JSON object with ``image_size`` and ``annotations`` of one image."""
    boxes = [
        {"class_id": item.class_id, **dict(zip(FIELDS[1:], ltwh_of_xyxy(item.xyxy_px), strict=True))}
        for item in objects
    ]
    return {"image_size": [{"width": size_px[0], "height": size_px[1], "depth": 3}], "annotations": boxes}


def read_boxes(
    labels: np.ndarray, size_px: tuple[int, int], key: str
) -> tuple[tuple[AnnotatedObject, ...], dict[str, Any]]:
    """Return the objects of a packed label for an image of ``size_px``, and the image's extra. Raises DataError."""
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
    """Return the packed label of an image's objects."""
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


def first_task(vectors: Iterable[np.ndarray]) -> tuple[Task, int] | None:
    """Return the meaning of the first vector that has one, and the least number of classes; None if none has."""
    for labels in vectors:
        task = task_of(labels)
        if task is not None:
            return task, len(labels) if task == "multi" else 0
    return None


def read_vector(
    labels: np.ndarray, task: Task, size_px: tuple[int, int] | None, key: str
) -> tuple[tuple[int, ...] | None, tuple[AnnotatedObject, ...] | None, dict[str, Any]]:
    """Return class ids, objects and the image's extra; ids or objects are None, by ``task``. Raises DataError."""
    found = task_of(labels)
    if found != task:
        what = "a label of no known form" if found is None else f"a label of the form: {TASK_NAMES[found]}"
        raise DataError(key, f"has {what}, where the first image has {TASK_NAMES[task]}")
    if task == "boxes":
        assert size_px is not None
        objects, extra = read_boxes(labels, size_px, key)
        return None, objects, extra
    return read_class_ids(labels, key), None, {}


def vector_of(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> float | Sequence[float]:
    """Return the label as a number (one class) or a vector (several classes, or boxes)."""
    if plan.task == "boxes":
        return packed_label(image, size_px, plan)
    assert image.class_ids is not None
    if plan.task == "multi":
        return [float(class_id in image.class_ids) for class_id in range(max(len(plan.class_names), 2))]
    return float(image.class_ids[0])
