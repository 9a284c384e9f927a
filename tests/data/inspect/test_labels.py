from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.labels import read_label
from vision.settings.errors import DataError


@pytest.mark.parametrize(
    ("raw", "label_format", "expected"),
    [
        (np.array([3], np.float32), None, (3,)),
        (np.array([0, 1, 1], np.float32), None, (1, 2)),
        (4, None, (4,)),
        ([1, 0, 1], None, (0, 2)),
        ([7, 2, 7], "class-id", (2, 7)),
    ],
)
def test_classes(raw: Any, label_format: Any, expected: tuple[int, ...]) -> None:
    assert read_label(raw, label_format, "key") == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (np.array([0.5], np.float32), "has the class 0.5"),
        (np.array([np.nan], np.float32), "has the class nan"),
        (-1, "has the class -1"),
        ([2, 0], "label_format=class-id"),
        ([0.5], "whole numbers"),
        ("dog", "no class number"),
    ],
)
def test_labels_that_are_none(raw: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_label(raw, None, "key")


def test_boxes_of_both_forms() -> None:
    packed = read_label(np.array([2, 5, 1, 0.25, 0.5, 0.75, 1], np.float32), None, "key")
    annotation = read_label(
        {
            "image_size": [{"width": 8, "height": 6, "depth": 3}],
            "annotations": [{"class_id": 1, "left": 2, "top": 3, "width": 4, "height": 3}],
        },
        None,
        "key",
    )
    assert isinstance(packed, ObjectRows)
    assert isinstance(annotation, ObjectRows)
    np.testing.assert_allclose(packed.boxes_xyxy_unit, annotation.boxes_xyxy_unit)
