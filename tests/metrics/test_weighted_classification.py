from __future__ import annotations

import numpy as np
import pytest

from vision.metrics.classification import evaluation_of_classification
from vision.metrics.weighted_classification import WeightedClassification, WeightedMultiLabel

RNG = np.random.default_rng(0)
NAMES = ("a", "b", "c", "d")
# Few values, so that there are ties; nothing is ever of class d.
SCORES = RNG.integers(0, 8, (40, 4)).astype(np.float32) / 8
TARGETS = RNG.integers(0, 3, 40)
TRUTH = (RNG.random((40, 4)) < 0.4) & (np.arange(4) < 3)
WEIGHTS = RNG.integers(0, 4, 40).astype(np.float64)


def test_hand_computed() -> None:
    probabilities = np.array([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]], np.float32)
    metrics = WeightedClassification(probabilities, np.array([0, 1, 1]), None)
    assert metrics.names == ("accuracy", "macro_f1", "macro_precision", "macro_recall")
    # Image 1, which is wrong, twice: class 0 has 1 hit of 3 guesses, class 1 has 1 hit of 1 guess and 3 images.
    found = metrics.values(np.array([1.0, 2.0, 1.0]))
    assert found == pytest.approx([1 / 2, (1 / 2 + 1 / 2) / 2, (1 / 3 + 1) / 2, (1 + 1 / 3) / 2, 1, 1 / 3])


@pytest.mark.parametrize("weights", [np.ones(40), WEIGHTS])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_weight_is_the_image_so_often(weights: np.ndarray, multi_label: bool) -> None:
    """Against the evaluation of a data set in which the images are really repeated."""
    repeated = np.repeat(np.arange(40), weights.astype(int))
    metrics = WeightedMultiLabel(SCORES, TRUTH) if multi_label else WeightedClassification(SCORES, TARGETS, 2)
    evaluation = evaluation_of_classification(
        SCORES[repeated],
        (TRUTH if multi_label else TARGETS)[repeated],
        NAMES,
        top_k=2,
        multi_label=multi_label,
        keys=str,
    )
    table = next(table for table in evaluation.tables if table.title == "Per class")
    column = table.columns.index(metrics.class_metric)
    per_class = [np.nan if row[column] is None else row[column] for row in table.rows]
    expected = [*(evaluation.metrics[name] for name in metrics.names), *per_class]
    assert metrics.values(weights) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(expected[-1])
