from __future__ import annotations

import numpy as np
import pytest

from vision.metrics.evaluation import YARDSTICK
from vision.metrics.reliability import reliability_diagram


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
