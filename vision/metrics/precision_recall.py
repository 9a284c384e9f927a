"""How well probabilities order and describe the truth: precision-recall, average precision, calibration.

N images.
"""

from __future__ import annotations

import numpy as np

from vision.metrics.score_curve import ScoreCurve

CALIBRATION_BINS = 10
SMALLEST_PROBABILITY = 1e-12


def precision_recall(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall float64 [P] at each distinct score, from the highest down.

    ``scores`` [N] are probabilities, ``truth`` bool [N] says which images have the class. Equal scores are
    one decision, so the order of the images does not matter. Without any true image there is no curve: P = 0.
    """
    if not truth.any():
        return np.empty(0), np.empty(0)
    curve = ScoreCurve.of_scores(scores, truth, int(np.count_nonzero(truth)))
    return curve.right / curve.passed, curve.right / curve.num_true


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall steps, sum of (R_n - R_n-1) P_n; NaN if no image has the class."""
    precision, recall = precision_recall(scores, truth)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if len(recall) else float("nan")


def calibration(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean confidence and share of right decisions of each filled bin, float64 [B], and their mean gap.

    ``confidence`` [N] in 0..1, ``right`` bool [N]. Ten bins of equal width, closed above as is usual. The
    gap, weighted by the images in each bin, is the expected calibration error: 0 = a confidence of 0.8 is
    right in 80 of 100 cases.
    """
    known = ~np.isnan(confidence)
    confidence, right = confidence[known].astype(np.float64), right[known]
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = images > 0
    mean_confidence = np.bincount(bins, confidence, CALIBRATION_BINS)[filled] / images[filled]
    share_right = np.bincount(bins, right, CALIBRATION_BINS)[filled] / images[filled]
    if not filled.any():
        return mean_confidence, share_right, float("nan")
    gap = np.sum(np.abs(mean_confidence - share_right) * images[filled]) / len(confidence)
    return mean_confidence, share_right, float(gap)


def mean_log_loss(of_truth: np.ndarray) -> float:
    """Cross-entropy in nats: the mean of -ln p over the probabilities that were given to what is true.

    A probability of 0 counts as 1e-12, so that one image cannot make the mean infinite.
    """
    if not of_truth.size:
        return float("nan")
    return float(-np.log(np.maximum(of_truth.astype(np.float64), SMALLEST_PROBABILITY)).mean())
