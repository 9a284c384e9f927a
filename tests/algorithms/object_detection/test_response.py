from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.predictions import Detections
from vision.algorithms.object_detection.response import ImageDetections, image_detections, respond

FOUND = ImageDetections(
    np.array([[0.222, 0.335, 0.344, 0.655], [0.0, 0.25, 0.5, 1.0]], np.float32),
    np.array([0.943, 0.0125], np.float32),
    np.array([4, 0], np.int64),
)
NAMES = ("a", "b", "c", "d", "e")
NOTHING = ImageDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


@pytest.mark.parametrize("form", ["application/json", "application/jsonlines"])
def test_rows_of_the_endpoint(form: str) -> None:
    answer = respond(FOUND, form, (500, 400), NAMES)
    assert json.dumps(answer) == (
        '{"prediction": [[4.0, 0.943, 0.222, 0.335, 0.344, 0.655], [0.0, 0.0125, 0.0, 0.25, 0.5, 1.0]]}'
    )
    assert respond(NOTHING, form, (500, 400), NAMES) == {"prediction": []}


def test_annotations_in_pixels() -> None:
    """SageMaker's example, its box turned into fractions of 500x400 and back."""
    form = "application/json;annotation=1"
    assert respond(FOUND, form, (500, 400), NAMES) == {
        "image_size": [{"width": 500, "height": 400, "depth": 3}],
        "annotations": [
            {"class_id": 4, "score": 0.943, "left": 111, "top": 134, "width": 61, "height": 128},
            {"class_id": 0, "score": 0.0125, "left": 0, "top": 100, "width": 250, "height": 300},
        ],
    }
    assert respond(NOTHING, form, (7, 5), NAMES) == {
        "image_size": [{"width": 7, "height": 5, "depth": 3}],
        "annotations": [],
    }
    json.dumps(respond(FOUND, form, (500, 400), NAMES))


@pytest.mark.parametrize("form", ["application/json;verbose", "application/jsonlines;verbose"])
def test_names_beside_the_rows(form: str) -> None:
    plain = respond(FOUND, form.removesuffix(";verbose"), (500, 400), NAMES)
    expected = {**plain, "predicted_labels": ["e", "a"], "labels": list(NAMES)}
    assert respond(FOUND, form, (500, 400), NAMES) == expected


def test_names_in_annotations() -> None:
    answer = respond(FOUND, "application/json;annotation=1;verbose", (500, 400), NAMES)
    assert [found["label"] for found in answer["annotations"]] == ["e", "a"]
    assert answer["labels"] == list(NAMES)
    assert answer["image_size"] == [{"width": 500, "height": 400, "depth": 3}]


@pytest.mark.parametrize("form", ["application/json", "application/json;annotation=1"])
def test_weak_scores_are_not_nothing(form: str) -> None:
    weak = ImageDetections(np.zeros((1, 4), np.float32), np.array([3.5e-9], np.float32), np.zeros(1, np.int64))
    assert "3.5e-09" in json.dumps(respond(weak, form, (500, 400), NAMES))


def test_an_annotation_takes_a_pixel_at_least() -> None:
    thin = np.array([[0.9999, 0.2, 1.0, 0.2001], [0.5, 0.0, 0.5001, 1.0]], np.float32)
    boxes = ImageDetections(thin, np.array([0.5, 0.5], np.float32), np.array([0, 0]))
    found = respond(boxes, "application/json;annotation=1", (100, 10), NAMES)["annotations"]
    sides = [[box[name] for name in ("left", "top", "width", "height")] for box in found]
    assert sides == [[99, 2, 1, 1], [50, 0, 1, 10]]


def test_description_names_the_likely_objects() -> None:
    described = FOUND.describe(NAMES)
    assert len(described["prediction"]) == 2
    assert described["objects"] == [{"label": "e", "score": 0.943, "box": [0.222, 0.335, 0.344, 0.655]}]
    assert NOTHING.describe(("a",)) == {"prediction": [], "objects": []}


def test_padding_is_left_out_image_by_image() -> None:
    batch = Detections(
        boxes_xyxy_unit=torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
        scores=torch.tensor([[0.9, 0.8, 0.0], [0.0, 0.0, 0.0]]),
        labels=torch.tensor([[1, 0, -1], [-1, -1, -1]]),
    )
    first, second = image_detections(batch)
    assert first.labels.tolist() == [1, 0]
    assert first.boxes_xyxy_unit.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert first.scores.tolist() == pytest.approx([0.9, 0.8])
    assert len(second) == 0
    assert len(first.at_least(0.85)) == 1


def test_uncertainty_by_hand() -> None:
    def of(*scores: float) -> float:
        count = len(scores)
        boxes = np.zeros((count, 4), np.float32)
        return ImageDetections(boxes, np.array(scores, np.float32), np.zeros(count, np.int64)).uncertainty()

    assert of() == 0
    assert of(1.0) == 0
    # A box of 0.5 is as doubtful as can be, and one of six that would be half of many.
    assert of(0.5) == pytest.approx((1 + 1 / 6) / 2)
    assert of(0.75, 0.25) == pytest.approx((0.5 + 2 / 7) / 2)
