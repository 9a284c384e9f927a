"""Thresholds, counts and decisions of labels, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.metrics.detection_records import records_of
from vision.metrics.average_precision import AveragePrecisionSettings, DetectionRecords, average_precision
from vision.metrics.label_evaluation import LabelEvaluation, evaluate_box_labels, evaluate_image_labels

NAMES = ("cat", "dog", "owl")
PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0]])
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]], bool)

A, NEAR_A, FAR = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.45], [0.6, 0.6, 0.9, 0.9]
# Cats: found at 0.9 and 0.3, a false alarm at 0.6, one that nothing falls on. A dog that is difficult.
IMAGES: list[Any] = [
    ([(0, A, 0.9), (0, FAR, 0.6), (1, FAR, 0.8)], [(0, NEAR_A, False), (1, FAR, True)]),
    ([(0, FAR, 0.3), (0, FAR, 0.2)], [(0, FAR, False), (0, A, False)]),
]


def of_images(given: list[float | None] | None = None) -> LabelEvaluation:
    return evaluate_image_labels(PROBABILITIES, TRUTH, NAMES, np.array([3, 5, 6, 8]), given)


def of_boxes(given: list[float | None] | None = None) -> LabelEvaluation:
    records = DetectionRecords.merge([records_of(*IMAGES, indices=[4, 9])])
    found = average_precision(records, 3, AveragePrecisionSettings(0.5))
    return evaluate_box_labels(records, found, NAMES, given)


def rows(found: LabelEvaluation) -> list[tuple[int, str, float, bool, bool]]:
    d = found.decisions
    columns = (d.image.tolist(), [NAMES[c] for c in d.label], d.confidence, d.is_assigned.tolist(), d.is_true.tolist())
    return list(zip(*columns, strict=True))


def test_assumed_thresholds_of_images() -> None:
    found = of_images()
    # Cats: F1 2/3 with the first, 1/2 with two, 4/5 with three: halfway from 0.4 to 0.2. Dogs alike: 0.3 to 0.1.
    assert found.threshold_of() == pytest.approx({"cat": 0.3, "dog": 0.2})
    assert found.are_assumed
    counts = found.counts
    assert counts.true_positives.tolist() == [2, 2, 0]
    assert counts.false_positives.tolist() == [1, 1, 0]
    assert counts.false_negatives.tolist() == [0, 0, 0]
    assert counts.true_negatives.tolist() == [1, 1, 4]
    assert found.num_images.tolist() == [2, 2, 0]


def test_given_thresholds_of_images() -> None:
    found = of_images([0.9, None, 0.5])
    assert found.threshold_of() == pytest.approx({"cat": 0.9, "dog": 0.2, "owl": 0.5})
    assert found.counts.false_negatives.tolist() == [1, 0, 0]
    assert not of_images([0.5, 0.5, 0.5]).are_assumed
    assert rows(of_images([0.5, 0.5, 0.5])) == [
        (3, "cat", 0.9, True, True),
        (5, "cat", 0.7, True, False),
        (5, "dog", 0.3, False, True),
        (6, "cat", 0.4, False, True),
        (6, "dog", 0.6, True, False),
        (8, "dog", 0.8, True, True),
    ]


def test_ratios_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    probabilities, truth = rng.random((200, 3)), rng.random((200, 3)) < 0.3
    found = evaluate_image_labels(probabilities, truth, NAMES, np.arange(200), None)
    counts = found.counts
    expected = sk.precision_recall_fscore_support(truth, probabilities >= found.thresholds)
    for ratios, theirs in zip(
        (counts.precision(), counts.recall(), counts.f1(), counts.support), expected, strict=True
    ):
        np.testing.assert_allclose(ratios, theirs)


def test_boxes() -> None:
    found = of_boxes()
    # Three cats; F1 2/4 with the first detection, 2/5 with two, 4/6 with three, 4/7 with four: halfway 0.3 to 0.2.
    # The only dog is difficult, so there is no threshold.
    assert found.threshold_of() == pytest.approx({"cat": 0.25})
    assert found.average_recall == pytest.approx(2 / 3)
    assert found.num_images.tolist() == [2, 0, 0]
    counts = found.counts
    assert (counts.true_positives[0], counts.false_positives[0], counts.false_negatives[0]) == (2, 1, 1)
    assert rows(found) == [
        (4, "cat", pytest.approx(0.9), True, True),
        (4, "cat", pytest.approx(0.6), True, False),
        (9, "cat", pytest.approx(0.3), True, True),
        (9, "cat", 0.0, False, True),
    ]
    assert found.decisions.boxes_xyxy_unit is not None
    np.testing.assert_allclose(found.decisions.boxes_xyxy_unit, [A, FAR, FAR, A])


def test_an_object_found_below_its_threshold_is_missed_with_that_confidence() -> None:
    found = of_boxes([0.5, 0.5, 0.5])
    assert rows(found)[2] == (9, "cat", pytest.approx(0.3), False, True)
    counts = found.counts
    assert (counts.true_positives[0], counts.false_positives[0], counts.false_negatives[0]) == (1, 1, 2)


def test_nothing_at_all() -> None:
    empty = DetectionRecords.merge([records_of(([], []))])
    found = evaluate_box_labels(empty, average_precision(empty, 3, AveragePrecisionSettings()), NAMES, None)
    assert found.threshold_of() == {}
    assert found.counts.support.tolist() == [0, 0, 0]
    assert rows(found) == []
