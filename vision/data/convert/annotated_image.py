"""One image with its labels, in the neutral form through which every format is converted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from vision.data.boxes.image_size import REMEDY, Fit, fit_of, size_message
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.settings.errors import DataError

# Where the encoded image is: a file, or bytes inside another file.
ImageBytes: TypeAlias = "Path | memoryview"
Box: TypeAlias = "tuple[float, float, float, float]"


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """One object: its box's corners left, top, right, bottom in pixels of the upright image, and its class id from 0.

    ``extra`` holds what only some formats state, by keys such as ``confidence`` or ``voc.pose``.
    """

    class_id: int
    xyxy_px: Box
    difficult: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image of a data set.

    ``name`` is its path in the data set, relative with forward slashes; ``key`` names it in messages. ``size_px`` is
    (width, height), None where the source does not state it. ``class_ids`` holds the classes of the whole image,
    sorted, ``objects`` the boxes; one of the two is None. ``mask`` uint8 [H, W] holds the class of each pixel of the
    upright image, 255 where it does not count; ``class_ids`` are then the classes that occur.
    """

    name: str
    key: str
    image: ImageBytes
    class_ids: tuple[int, ...] | None = None
    objects: tuple[AnnotatedObject, ...] | None = None
    size_px: tuple[int, int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    mask: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a format must know before the first image is written.

    ``class_names`` are complete, in the order of ids; ``object_columns`` counts the numbers of a box beyond class and
    corners in packed labels: 1 where an object is difficult, more where the source has more.
    """

    task: Task
    class_names: tuple[str, ...]
    object_columns: int = 0


def stated_size(width: object, height: object) -> tuple[int, int] | None:
    """Return (width, height) in pixels as a file states them; None unless both are positive whole numbers."""
    sides = [_side(side) for side in (width, height)]
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def size_note(width: object, height: object) -> str:
    """Return the note that the size of the image itself is used."""
    stated = "no size" if width in (None, "") and height in (None, "") else f"the size {width!s:.20}x{height!s:.20}"
    return f"states {stated}: the image's own is used"


def fitted(image: AnnotatedImage, size_px: tuple[int, int], skipped: Skipped) -> AnnotatedImage:
    """Return the image with its boxes in pixels of the upright picture, whose (width, height) is ``size_px``.

    Boxes of a picture that was resized are scaled, which ``skipped`` notes. Raises DataError where the stated size is
    of another picture.
    """
    stated = image.size_px
    fit = Fit.EQUAL if stated is None else fit_of(stated, size_px)
    if stated is None or fit is Fit.EQUAL:
        return image
    if fit is Fit.OTHER:
        raise DataError(image.key, f"{size_message(stated, size_px)}, {REMEDY}")
    skipped.note(image.key, f"{size_message(stated, size_px)}: its boxes are scaled with it")
    across, down = size_px[0] / stated[0], size_px[1] / stated[1]

    def corners(box: Box) -> Box:
        return box[0] * across, box[1] * down, box[2] * across, box[3] * down

    objects = tuple(replace(item, xyxy_px=corners(item.xyxy_px)) for item in image.objects or ())
    return replace(image, objects=None if image.objects is None else objects, size_px=size_px)


def _side(side: object) -> int | None:
    if isinstance(side, bool) or not isinstance(side, int | float | str):
        return None
    try:
        value = float(side)
    except (ValueError, OverflowError):
        return None
    return int(value) if math.isfinite(value) and value.is_integer() and 0 < value < 1e9 else None
