"""The neutral form between formats: one image with what is known about it, free of any file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from vision.data.labels import Task

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
    sorted, ``objects`` the boxes; one of the two is None.
    """

    name: str
    key: str
    image: ImageBytes
    class_ids: tuple[int, ...] | None = None
    objects: tuple[AnnotatedObject, ...] | None = None
    size_px: tuple[int, int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a format must know before the first image is written.

    ``class_names`` are complete, in the order of ids; ``object_columns`` counts the numbers of a box beyond class and
    corners in packed labels: 1 where an object is difficult, more where the source has more.
    """

    task: Task
    class_names: tuple[str, ...]
    object_columns: int = 0
