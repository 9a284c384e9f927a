"""Label vectors of .lst lines and records, to the neutral form and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.packed_boxes import packed_label, read_boxes
from vision.data.labels import TASK_NAMES, Task, read_class_ids, task_of
from vision.settings.errors import DataError


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
    return read_class_ids(labels, key), None, {}


def vector_of(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> float | Sequence[float]:
    """The label as a number or a vector."""
    if plan.task == "boxes":
        return packed_label(image, size_px, plan)
    assert image.class_ids is not None
    if plan.task == "multi":
        return [float(class_id in image.class_ids) for class_id in range(max(len(plan.class_names), 2))]
    return float(image.class_ids[0])
