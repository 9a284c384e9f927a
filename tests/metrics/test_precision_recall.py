"""Average precision and calibration against scikit-learn, torchmetrics and hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from vision.metrics.precision_recall import average_precision, calibration, mean_log_loss, precision_recall


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
