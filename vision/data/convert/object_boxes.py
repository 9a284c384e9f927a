"""Boxes as ``class_id, left, top, width, height`` in pixels, of manifests and annotation JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vision.data.boxes.pixel_annotation import FIELDS, read_annotation
from vision.data.convert.decimals import ARITHMETIC_PX, number, shortest
from vision.data.convert.neutral import AnnotatedObject
from vision.settings.errors import DataError


def read_objects(
    annotation: Mapping[str, Any], key: str, prefix: str, more: Sequence[Mapping[str, Any]] = ()
) -> tuple[tuple[AnnotatedObject, ...], tuple[int, int]]:
    """Objects and (width, height) of an ``image_size`` with ``annotations``. Raises DataError.

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
    """Corners of a box in pixels."""
    right, bottom = shortest(left + width, ARITHMETIC_PX), shortest(top + height, ARITHMETIC_PX)
    return float(left), float(top), right, bottom


def ltwh_of_xyxy(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Left, top, width and height of a box in pixels; whole numbers where they are whole."""
    left, top, right, bottom = box
    width, height = shortest(right - left, ARITHMETIC_PX), shortest(bottom - top, ARITHMETIC_PX)
    return number(left), number(top), number(width), number(height)


def annotation_of(objects: Sequence[AnnotatedObject], size_px: tuple[int, int]) -> dict[str, Any]:
    """``image_size`` and ``annotations`` of one image."""
    boxes = [
        {"class_id": item.class_id, **dict(zip(FIELDS[1:], ltwh_of_xyxy(item.xyxy_px), strict=True))}
        for item in objects
    ]
    return {"image_size": [{"width": size_px[0], "height": size_px[1], "depth": 3}], "annotations": boxes}
