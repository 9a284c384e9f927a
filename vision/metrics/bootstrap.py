"""How sure a difference between two models is: the paired bootstrap over images (Efron and Tibshirani 1993, ch. 13).

Images are drawn with replacement, as many as there are, and both models are measured on the same draw; from many draws
come percentile intervals. Legend: N images, M figures of a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PlainWords:
    """What the figure that decides means to people who read no tables.

    ``says`` is a sentence without its full stop, with places for "{figure}", "{images}" and the verb "{are}" of the
    images. ``guess`` names what a model does that has learned nothing, and ``guess_value`` what it reaches, 0..1; NaN
    where there is no such guess.
    ``counts_images``: the figure is the share of the images of which something is true.
    """

    says: str
    guess: str = ""
    guess_value: float = float("nan")
    counts_images: bool = False


class ImageMetrics(Protocol):
    """The figures of one model as functions of how often each image counts.

    ``names`` are those over all classes, higher is better; behind them comes one figure for each class, of the kind
    ``class_metric``. ``words`` say what the algorithm's objective, one of ``names``, means.
    """

    names: tuple[str, ...]
    class_metric: str
    words: PlainWords

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return figures float64 [M] with image n counted ``weights[n]`` times, float64 [N]; NaN where undefined."""


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedIntervals:
    """One figure of two models on the same images, and ``difference`` = other - model."""

    model: Interval
    other: Interval
    difference: Interval

    @property
    def sign(self) -> int:
        """1 if the other model is better, -1 if it is worse, 0 if chance may explain the difference."""
        return int(self.difference.low > 0) - int(self.difference.high < 0)


def paired_bootstrap(
    model: ImageMetrics,
    other: ImageMetrics,
    num_images: int,
    *,
    resamples: int,
    seed: int,
    advance: Callable[[int], None] = lambda count: None,
) -> list[PairedIntervals]:
    """Return the intervals of all figures, which both models must have in the same order.

    ``advance`` is called with the number of draws done since its last call.
    """
    assert model.names == other.names and model.class_metric == other.class_metric, (model.names, other.names)
    rng = np.random.default_rng(seed)
    ones = np.ones(num_images)
    at_once = np.stack([model.values(ones), other.values(ones)])
    drawn = np.empty((resamples, *at_once.shape))
    for row in drawn:
        chosen = rng.integers(num_images, size=num_images)
        weights = np.bincount(chosen, minlength=num_images).astype(np.float64)
        row[0], row[1] = model.values(weights), other.values(weights)
        advance(1)
    figures = np.concatenate([at_once, at_once[1:] - at_once[:1]])
    samples = np.concatenate([drawn, drawn[:, 1:] - drawn[:, :1]], axis=1)
    lows, highs = _bounds(samples)
    intervals = [
        [Interval(*bounds) for bounds in zip(*rows, strict=True)]
        for rows in zip(figures.tolist(), lows.tolist(), highs.tolist(), strict=True)
    ]
    return [PairedIntervals(*three) for three in zip(*intervals, strict=True)]


def bootstrap_interval(figures: ImageMetrics, place: int, num_images: int, *, resamples: int, seed: int) -> Interval:
    """Return the interval of the figure at a place of ``figures.names``."""
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for number in range(resamples):
        weights = np.bincount(rng.integers(num_images, size=num_images), minlength=num_images)
        drawn[number] = figures.values(weights.astype(np.float64))[place]
    low, high = _bounds(drawn)
    return Interval(float(figures.values(np.ones(num_images))[place]), float(low), float(high))


def _bounds(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of samples [R, ...] over the draws in which the figure is defined."""
    undefined = np.isnan(samples).all(axis=0)
    tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    low, high = np.nanpercentile(np.where(undefined, 0.0, samples), tails, axis=0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


@dataclass(frozen=True)
class Compared:
    """One figure of both models; ``name`` is the metric's, or the class's for a figure of one class."""

    name: str
    intervals: PairedIntervals


@dataclass(frozen=True)
class Comparison:
    """``model`` and ``other`` name the two; ``objective`` is the metric that decides.

    ``classes`` have the figure ``class_metric`` of each class.
    """

    model: str
    other: str
    num_images: int
    resamples: int
    objective: str
    metrics: tuple[Compared, ...]
    class_metric: str
    classes: tuple[Compared, ...]
    notes: tuple[str, ...] = ()

    @property
    def decisive(self) -> PairedIntervals:
        """The objective's intervals."""
        return next(compared.intervals for compared in self.metrics if compared.name == self.objective)
