"""Whether a stated probability of 0.8 is right in 80 of 100 cases. Legend: N decisions, B filled bins."""

from __future__ import annotations

import numpy as np

from vision.metrics.evaluation import YARDSTICK, Curves

CALIBRATION_BINS = 10


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


def reliability_diagram(stated: np.ndarray, is_right: np.ndarray, x_label: str, y_label: str) -> tuple[Curves, float]:
    """Return the diagram of stated probabilities [N] and bool [N], and the expected calibration error (NaN of none)."""
    mean_stated, share_right, error = calibration(stated, is_right)
    ideal = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    return Curves("Calibration", x_label, y_label, {YARDSTICK: ideal, "model": (mean_stated, share_right)}), error
