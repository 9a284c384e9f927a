from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vision.metrics.bootstrap import Interval, PairedIntervals, paired_bootstrap


class Mean:
    """The share of right answers, and that among the images of one class."""

    names = ("share",)
    class_metric = "share"

    def __init__(self, right: np.ndarray, is_class: np.ndarray) -> None:
        self.right, self.is_class = right, is_class

    def values(self, weights: np.ndarray) -> np.ndarray:
        of_class = weights * self.is_class
        total = of_class.sum()
        return np.array([weights @ self.right / weights.sum(), of_class @ self.right / total if total else math.nan])


RNG = np.random.default_rng(1)
MODEL = (RNG.random(300) < 0.7).astype(float)
# Better on some of the images, and as often as not right where the model is.
OTHER = np.where(RNG.random(300) < 0.2, 1.0, MODEL)
EVERY = np.ones(300)


def test_intervals_are_scipys() -> None:
    found, _ = paired_bootstrap(Mean(MODEL, EVERY), Mean(OTHER, EVERY), 300, resamples=4000, seed=0)
    settings = {"method": "percentile", "n_resamples": 4000, "rng": np.random.default_rng(5), "axis": -1}
    cases = (
        (found.model, stats.bootstrap((MODEL,), np.mean, **settings)),
        (found.other, stats.bootstrap((OTHER,), np.mean, **settings)),
        (
            found.difference,
            stats.bootstrap(
                (MODEL, OTHER), lambda a, b, axis: b.mean(axis=axis) - a.mean(axis=axis), paired=True, **settings
            ),
        ),
    )
    for interval, expected in cases:
        bounds = expected.confidence_interval
        assert (interval.low, interval.high) == pytest.approx((bounds.low, bounds.high), abs=0.007)
    assert found.model.value == MODEL.mean()
    assert found.difference.value == pytest.approx(OTHER.mean() - MODEL.mean())
    # The normal approximation of a proportion, and that of the mean of paired differences.
    for interval, spread in ((found.model, MODEL.std()), (found.difference, (OTHER - MODEL).std())):
        width = 2 * 1.96 * spread / math.sqrt(300)
        assert interval.high - interval.low == pytest.approx(width, rel=0.1)


def test_the_same_model_never_differs_and_a_seed_decides() -> None:
    first, again = (paired_bootstrap(Mean(MODEL, EVERY), Mean(MODEL, EVERY), 300, resamples=50, seed=3) for _ in "ab")
    assert first == again
    assert first[0].difference == Interval(0.0, 0.0, 0.0)
    assert first[0].sign == 0
    other = paired_bootstrap(Mean(MODEL, EVERY), Mean(MODEL, EVERY), 300, resamples=50, seed=4)
    assert other != first


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (0.0, 0.2, 0), (math.nan, math.nan, 0)]
)
def test_who_is_better(low: float, high: float, sign: int) -> None:
    any_interval = Interval(0.5, 0.4, 0.6)
    assert PairedIntervals(any_interval, any_interval, Interval((low + high) / 2, low, high)).sign == sign


def test_a_class_without_images_is_undefined_and_a_rare_one_counts_where_it_is() -> None:
    nowhere, rare = np.zeros(300), np.eye(300)[7]
    _, found = paired_bootstrap(Mean(MODEL, nowhere), Mean(OTHER, rare), 300, resamples=200, seed=0)
    assert all(math.isnan(bound) for bound in (found.model.value, found.model.low, found.difference.high))
    assert (found.other.low, found.other.high) == (OTHER[7], OTHER[7])
