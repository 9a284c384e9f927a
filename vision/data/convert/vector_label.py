"""Label vectors of .lst lines and records: what they mean, to the neutral form and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vision.data.convert.neutral import TASK_NAMES, AnnotatedImage, AnnotatedObject, Plan, Task
from vision.data.convert.packed_boxes import packed_label, read_boxes
from vision.settings.errors import DataError


def task_of(labels: np.ndarray) -> Task | None:
    """What a label vector float32 [W] means: a class, a 0/1 column for each class, or boxes; None if unclear."""
    if labels.size == 1:
        return "single"
    header, width = float(labels[0]), float(labels[1])
    if header >= 2 and width >= 5 and header.is_integer() and width.is_integer() and header <= labels.size:
        return "boxes" if (labels.size - int(header)) % int(width) == 0 else None
    return "multi" if np.isin(labels, (0, 1)).all() else None


def first_task(vectors: Iterable[np.ndarray]) -> tuple[Task, int] | None:
    """What the first clear one of some vectors means, and how many classes there are at least; None if none is."""
    for labels in vectors:
        task = task_of(labels)
        if task is not None:
            return task, len(labels) if task == "multi" else 0
    return None


def read_vector(
    labels: np.ndarray, task: Task, size_px: tuple[int, int] | None, key: str
) -> tuple[tuple[int, ...] | None, tuple[AnnotatedObject, ...] | None, dict[str, Any]]:
    """Class ids, objects and the image's extra, for a data set of ``task``. Raises DataError."""
    found = task_of(labels)
    if found != task:
        what = "a label of no known form" if found is None else f"a label of the form: {TASK_NAMES[found]}"
        raise DataError(key, f"has {what}, where the first image has {TASK_NAMES[task]}")
    if task == "boxes":
        assert size_px is not None
        objects, extra = read_boxes(labels, size_px, key)
        return None, objects, extra
    if task == "multi":
        return tuple(np.flatnonzero(labels).tolist()), None, {}
    class_id = float(labels[0])
    if class_id < 0 or not class_id.is_integer():
        raise DataError(key, f"has the class {class_id:g}, which must be a whole number from 0")
    return (int(class_id),), None, {}


def vector_of(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> float | Sequence[float]:
    """The label as a number or a vector."""
    if plan.task == "boxes":
        return packed_label(image, size_px, plan)
    assert image.class_ids is not None
    if plan.task == "multi":
        return [float(class_id in image.class_ids) for class_id in range(max(len(plan.class_names), 2))]
    return float(image.class_ids[0])
