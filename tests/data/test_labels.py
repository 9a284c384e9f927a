"""One table for what a label means; training, tools and conversion ask the functions that are tried here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vision.data.boxes.object_rows import ObjectRows
from vision.data.convert.label_forms import first_task
from vision.data.counting import least_classes_of
from vision.data.im2rec.encoding import CannotPackError, chosen_label
from vision.data.labels import Task, numbers, read_label, shown_label, task_of
from vision.settings.errors import DataError

ANNOTATION = {
    "image_size": [{"width": 8, "height": 6, "depth": 3}],
    "annotations": [{"class_id": 1, "left": 2, "top": 3, "width": 4, "height": 3}],
}


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(
    ("raw", "task", "classes"),
    [
        (vector(3), "single", 4),
        (vector(0), "single", 1),
        (vector(0, 1, 1), "multi", 3),
        (vector(0, 0), "multi", 2),
        (vector(2, 5), "boxes", 0),
        (vector(2, 5, 1, 0.25, 0.5, 0.75, 1), "boxes", 2),
        (vector(4, 5, 640, 480, 6, 0, 0, 1, 1), "boxes", 7),
        (vector(2, 6, 0, 0, 0, 1, 1, 1, -1, -1, -1, -1, -1, -1), "boxes", 1),
        (vector(2, 5, 1, 0.25, 0.5), None, 0),
        (vector(0, 1, 2), None, 0),
        (vector(0.5, 0.5), None, 0),
        (vector(), "multi", 0),
        (4, "single", 5),
        ([1, 0, 1], "multi", 3),
        ([], "multi", 0),
        ((7, 2, 7), "multi", 8),
        ((), "multi", 0),
        (ANNOTATION, "boxes", 2),
        ("dog", None, 0),
        (True, None, 0),
    ],
)
def test_what_a_label_means(raw: Any, task: Task | None, classes: int) -> None:
    assert task_of(raw) == task
    assert least_classes_of(raw) == classes


def test_the_first_clear_label_decides() -> None:
    assert first_task([vector(0.5, 0.5), vector(2, 5), vector(3)]) == ("boxes", 0)
    assert first_task([vector(0, 1, 0), vector(3)]) == ("multi", 3)
    assert first_task([vector(0.5, 0.5)]) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (vector(3), (3,)),
        (vector(2.00001), (2,)),
        (vector(0, 1, 1), (1, 2)),
        (4, (4,)),
        ([1, 0, 1], (0, 2)),
        ((7, 2, 7), (2, 7)),
        ((0, 1), (0, 1)),
    ],
)
def test_classes(raw: Any, expected: tuple[int, ...]) -> None:
    assert read_label(raw, "key") == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (vector(0.5), "has the class 0.5"),
        (vector(np.nan), "has the class nan"),
        (vector(0, 1, 2), "begins with 0, 1, where the widths of header and object belong"),
        (-1, "has the class -1"),
        ([2, 0], "label_format=class-id"),
        ([0.5], "must hold 0 or 1 for each class"),
        (["a"], "is not a class id or a list of them"),
        ((3, -1), "has the class -1"),
        ("dog", "has the label 'dog', which is not a class id"),
    ],
)
def test_labels_that_are_none(raw: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_label(raw, "key")


def test_boxes_of_both_forms() -> None:
    packed = read_label(vector(2, 5, 1, 0.25, 0.5, 0.75, 1), "key")
    annotation = read_label(ANNOTATION, "key")
    assert isinstance(packed, ObjectRows)
    assert isinstance(annotation, ObjectRows)
    np.testing.assert_allclose(packed.boxes_xyxy_unit, annotation.boxes_xyxy_unit)


@pytest.mark.parametrize("depth", [0, 2, "3", None, [3]])
def test_the_depth_of_an_image_says_nothing(depth: object) -> None:
    stated = {**ANNOTATION, "image_size": [{"width": 8, "height": 6, "depth": depth}]}
    assert len(read_label(stated, "key")) == 1


def test_im2rec_packs_whole_what_has_a_meaning() -> None:
    for labels in ([0.0, 1.0, 1.0], [2.0, 5.0], [2.0, 5.0, 1.0, 0.25, 0.5, 0.75, 1.0]):
        assert chosen_label(labels, None) == labels
    with pytest.raises(CannotPackError, match="has 3 labels that are neither boxes"):
        chosen_label([0.0, 1.0, 2.0], None)


def test_an_image_labels_pixels_and_is_not_shown_in_messages() -> None:
    assert task_of(b"\x89PNG") == "mask"
    assert shown_label(b"\x89PNG") == "an image of 4 bytes"
    with pytest.raises(DataError, match=r"^a: has an image that labels its pixels, where a class id"):
        numbers(b"\x89PNG", "a")
