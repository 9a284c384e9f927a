"""The reliability diagram: whether what a model is sure of to 80 % is right in 80 of 100 cases."""

from __future__ import annotations

import numpy as np

from vision.metrics.evaluation import YARDSTICK, Curves
from vision.metrics.precision_recall import calibration


def reliability_diagram(stated: np.ndarray, is_right: np.ndarray, x_label: str, y_label: str) -> tuple[Curves, float]:
    """The diagram of stated probabilities [N] and bool [N], and the expected calibration error, NaN of nothing."""
    mean_stated, share_right, error = calibration(stated, is_right)
    ideal = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    return Curves("Calibration", x_label, y_label, {YARDSTICK: ideal, "model": (mean_stated, share_right)}), error
