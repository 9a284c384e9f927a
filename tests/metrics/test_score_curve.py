"""Counts at thresholds and the threshold of best F1, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from vision.metrics.score_curve import ScoreCurve


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
