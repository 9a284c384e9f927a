"""The objects of a label, read from a packed label or from JSON; faults are found later. Legend: M objects.

Packed labels, as .lst files and RecordIO have them, are ``[A, B, more header, objects of B numbers each]``. A is the
width of the header including A and B, B that of an object: class, xmin, ymin, xmax, ymax as fractions of the image, and
in a sixth number, if there is one, whether the object is difficult. Annotation files and Ground Truth's manifests state
left, top, width, height in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import numpy as np

from vision.settings.errors import DataError

Form = Literal["corners", "pixels"]
LEAST_HEADER, LEAST_OBJECT = 2, 5
# A box may leave its image, but corners this far outside are not fractions.
LARGEST_FRACTION = 2.0
LAYOUT = "2, 5, then class, xmin, ymin, xmax, ymax of each object"
FIELDS = ("class_id", "left", "top", "width", "height")
LARGEST_NUMBER = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class ObjectRows:
    """M objects: ``class_ids`` float64 [M], ``boxes_xyxy_unit`` float64 [M, 4], ``difficult`` bool [M].

    ``form`` is how the source writes a box: corners as fractions of the image (packed labels), or left, top,
    width and height in pixels (annotations). ``label_width`` counts the numbers of the packed label that holds
    these objects.
    """

    class_ids: np.ndarray
    boxes_xyxy_unit: np.ndarray
    difficult: np.ndarray
    form: Form
    label_width: int

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def sides_unit(self) -> np.ndarray:
        """The root of each box's area as a fraction of the image, float64 [M]."""
        return np.sqrt(np.clip(self.boxes_xyxy_unit[:, 2:] - self.boxes_xyxy_unit[:, :2], 0, 1).prod(axis=1))

    @classmethod
    def joined(cls, parts: Sequence[ObjectRows]) -> ObjectRows:
        """Join the objects of several images of one form; ``label_width`` is the largest."""
        return cls(
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.boxes_xyxy_unit for part in parts]),
            np.concatenate([part.difficult for part in parts]),
            parts[0].form,
            max(part.label_width for part in parts),
        )


def has_header(label: np.ndarray) -> bool:
    """Return whether a label vector begins with valid widths of header and object."""
    if label.size < LEAST_HEADER:
        return False
    header, width = float(label[0]), float(label[1])
    return header.is_integer() and width.is_integer() and header >= LEAST_HEADER and width >= LEAST_OBJECT


def is_packed(label: np.ndarray) -> bool:
    """Return whether a label vector is a header followed by complete objects, or by none."""
    return has_header(label) and label[0] <= label.size and (label.size - int(label[0])) % int(label[1]) == 0


def read_packed(label: np.ndarray, key: str) -> ObjectRows:
    """Return the objects of a label vector. A label that is only a header is an image without objects.

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
            f"has a label of {length} numbers, which is not a header of {start} followed by objects of {step} each: "
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


def read_annotation(raw: Mapping[str, Any], key: str) -> ObjectRows:
    """Return the objects of a JSON object with ``image_size`` and ``annotations``. Raises DataError.

    ``image_size`` may be an object or, as SageMaker writes it, a list of one. Its ``depth`` is ignored, since every
    image is decoded to RGB.
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
    """Return (width, height) in pixels of the image on which the boxes were drawn, from ``image_size``."""
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
