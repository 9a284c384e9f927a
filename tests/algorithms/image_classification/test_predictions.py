from __future__ import annotations

import numpy as np
import pytest

from vision.algorithms.image_classification.predictions import Classification


def test_uncertainty_by_hand() -> None:
    def of(*probabilities: float, multi_label: bool = False) -> float:
        return Classification(np.array(probabilities, np.float32), multi_label).uncertainty()

    assert of(0.7, 0.2, 0.1) == pytest.approx(0.5)
    assert of(0.5, 0.5) == pytest.approx(1)
    assert of(1.0) == 0
    assert of(0.5, 1.0, multi_label=True) == pytest.approx(0.5)
    assert of(0.25, multi_label=True) == pytest.approx(0.811278, abs=1e-5)
