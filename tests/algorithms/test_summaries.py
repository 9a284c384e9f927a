from __future__ import annotations

import pytest

from vision import algorithms

CLASSES, BOXES = "image_classification", "object_detection"


@pytest.mark.parametrize(
    ("name", "description", "expected"),
    [
        (CLASSES, {"label": "cat", "score": 0.5}, "cat 50.0%"),
        (CLASSES, {"label": "cat", "score": 0.5, "labels": ["cat", "dog"]}, "cat, dog"),
        (CLASSES, {"label": "cat", "score": 0.4, "labels": []}, "none"),
        (BOXES, {"objects": [{"label": "cat"}, {"label": "dog"}, {"label": "cat"}]}, "2 cat, 1 dog"),
        (BOXES, {"objects": []}, "nothing"),
    ],
)
def test_a_few_words_on_an_image(name: str, description: dict[str, object], expected: str) -> None:
    assert algorithms.get(name).summarize(description) == expected
