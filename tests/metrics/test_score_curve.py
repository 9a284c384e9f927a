"""Decisions at thresholds, average precision and calibration, against other libraries and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from vision.metrics.calibration import calibration, reliability_diagram
from vision.metrics.evaluation import YARDSTICK
from vision.metrics.score_curve import (
    ScoreCurve,
    average_precision,
    mean_log_loss,
    precision_recall,
)


def curve(scores: list[float], truth: list[int], missed: int = 0) -> ScoreCurve:
    return ScoreCurve.of_scores(np.array(scores), np.array(truth, bool), sum(truth) + missed)


@pytest.mark.parametrize("decimals", [1, 2, 7])
def test_best_f1_equals_scikit_learn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    truth = rng.random(300) < 0.3
    scores = np.round(np.clip(rng.random(300) + 0.3 * truth, 0, 1), decimals).astype(np.float32)
    found = ScoreCurve.of_scores(scores, truth, int(truth.sum()))
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    best = np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert sk.f1_score(truth, scores >= found.best_f1_threshold()) == pytest.approx(best)


def test_counts_equal_scikit_learn_at_every_threshold() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(100) < 0.4, np.round(rng.random(100), 2)
    thresholds = np.array([0.0, 0.25, 0.5, scores[3], 1.0])
    right, wrong, missed = ScoreCurve.of_scores(scores, truth, int(truth.sum())).counts_at(thresholds)
    for place, threshold in enumerate(thresholds):
        (_, false_positives), (false_negatives, true_positives) = sk.confusion_matrix(truth, scores >= threshold)
        assert (right[place], wrong[place], missed[place]) == (true_positives, false_positives, false_negatives)


@pytest.mark.parametrize(
    ("case", "scores", "truth", "missed", "expected"),
    [
        ("between the last right and the first wrong", [0.9, 0.8, 0.2], [1, 1, 0], 0, 0.5),
        ("below all", [0.9, 0.8], [1, 1], 0, 0.4),
        # F1 is 2/3 with the first alone, 2/4 with two, 4/5 with three.
        ("past a mistake", [0.9, 0.6, 0.4, 0.2], [1, 0, 1, 0], 0, 0.3),
        # 2/3 with the first alone, and again 4/6 with four.
        ("the highest of equals", [0.8, 0.6, 0.5, 0.4], [1, 0, 0, 1], 0, 0.7),
        ("equal scores pass together", [0.5, 0.5, 0.1], [1, 0, 0], 0, 0.3),
        ("what was never detected counts as missed", [0.9, 0.5], [1, 0], 3, 0.7),
        ("nothing is ever right", [0.9, 0.5], [0, 0], 2, 1.0),
        ("nothing passes", [], [], 2, 1.0),
        ("not a number never passes", [math.nan, 0.5], [1, 0], 0, 1.0),
        ("nothing is true", [0.9], [0], 0, math.nan),
    ],
)
def test_best_f1_threshold(case: str, scores: list[float], truth: list[int], missed: int, expected: float) -> None:
    assert curve(scores, truth, missed).best_f1_threshold() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("decimals", [1, 2, 7])
def test_average_precision_equals_scikit_learn_with_many_equal_scores(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    truth = rng.random(500) < 0.2
    scores = np.round(np.clip(rng.random(500) + 0.3 * truth, 0, 1), decimals).astype(np.float32)
    assert average_precision(scores, truth) == pytest.approx(sk.average_precision_score(truth, scores))
    shuffled = rng.permutation(500)
    assert average_precision(scores[shuffled], truth[shuffled]) == average_precision(scores, truth)


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.9, 0.8, 0.7], [1, 1, 0], 1.0),
        ([0.9, 0.8, 0.7], [0, 0, 1], 1 / 3),
        ([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 0.5 + 0.5 * 2 / 3),
        ([0.5, 0.5], [1, 0], 0.5),
    ],
)
def test_average_precision_by_hand(scores: list[float], truth: list[int], expected: float) -> None:
    assert average_precision(np.array(scores), np.array(truth, bool)) == pytest.approx(expected)


def test_a_class_without_images_has_no_average_precision() -> None:
    assert np.isnan(average_precision(np.array([0.1, 0.2]), np.zeros(2, bool)))
    assert len(precision_recall(np.array([0.1, 0.2]), np.zeros(2, bool))[0]) == 0


def test_curve_runs_from_the_highest_score_down() -> None:
    precision, recall = precision_recall(np.array([0.1, 0.9, 0.5]), np.array([True, True, False]))
    np.testing.assert_allclose(precision, [1, 0.5, 2 / 3])
    np.testing.assert_allclose(recall, [0.5, 0.5, 1])


def test_calibration_error_equals_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    rng = np.random.default_rng(0)
    confidence = rng.random(1000).astype(np.float32)
    right = rng.random(1000) < confidence**2
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(right).int(), n_bins=10)
    assert calibration(confidence, right)[2] == pytest.approx(float(expected), abs=1e-5)


def test_calibration_by_hand() -> None:
    confidence = np.array([0.95, 1.0, 0.1, 0.0, np.nan])
    stated, observed, error = calibration(confidence, np.array([True, False, False, False, True]))
    np.testing.assert_allclose(stated, [0.05, 0.975])
    np.testing.assert_allclose(observed, [0, 0.5])
    assert error == pytest.approx((2 * 0.05 + 2 * 0.475) / 4)
    assert np.isnan(calibration(np.empty(0), np.empty(0, bool))[2])


def test_mean_log_loss_is_sklearns() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(4), 50)
    targets = rng.integers(0, 4, 50)
    expected = sk.log_loss(targets, probabilities, labels=range(4))
    assert mean_log_loss(probabilities[np.arange(50), targets]) == pytest.approx(expected)
    assert mean_log_loss(np.array([1.0, 0.0])) == pytest.approx(-np.log(1e-12) / 2)


def test_bins_beside_the_diagonal() -> None:
    stated, is_right = np.array([0.9, 0.9, 0.3, 0.3]), np.array([True, False, False, False])
    curves, error = reliability_diagram(stated, is_right, "stated", "observed")
    np.testing.assert_allclose(curves.series["model"], [[0.3, 0.9], [0, 0.5]])
    np.testing.assert_array_equal(curves.series[YARDSTICK], [[0, 1], [0, 1]])
    assert error == pytest.approx((0.3 + 0.4) / 2)


def test_nothing_to_judge() -> None:
    curves, error = reliability_diagram(np.empty(0), np.empty(0, bool), "stated", "observed")
    assert np.isnan(error)
    assert curves.series["model"][0].size == 0
