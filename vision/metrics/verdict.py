"""What a figure says of a model in plain words: how sure it is, and what a model that learned nothing would reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.metrics.bootstrap import CONFIDENCE, ImageMetrics, Interval, PlainWords, bootstrap_interval
from vision.settings.counted import counted

# Enough for bounds in whole percents, and of large detection sets still done in seconds.
RESAMPLES = 200
# Not the run's: an evaluation says what training said.
_SEED = 0
# The normal distribution lies within this many deviations for CONFIDENCE of its mass.
_DEVIATIONS = 1.959964
# An interval wider than this tells little.
_WIDE = 0.15
# Epochs to either side of the best with which it is compared, and by how much it must stand out.
_NEIGHBORS = 2
_NOISE = 0.005


@dataclass(frozen=True)
class Verdict:
    """The figure ``metric`` of ``num_images`` images, a share 0..1, with its interval."""

    metric: str
    num_images: int
    interval: Interval
    words: PlainWords

    def sentences(self) -> tuple[str, ...]:
        """Return the figure in words, what guessing gives, and a warning where the images are too few."""
        value, low, high = self.interval.value, self.interval.low, self.interval.high
        if math.isnan(value):
            return ()
        images, are = counted(self.num_images, "image"), "is" if self.num_images == 1 else "are"
        figure = f"{100 * value:.1f} % ({100 * CONFIDENCE:.0f} % interval {100 * low:.1f} to {100 * high:.1f} %)"
        found = [f"{self.words.says.format(figure=figure, images=images, are=are)}."]
        guess = self.words.guess_value
        has_guess = not math.isnan(guess)
        few = f"{images} {are} too few"
        if has_guess:
            worse = ", which the model does not surpass" if value <= guess else ""
            found.append(f"{self.words.guess} gives {100 * guess:.1f} %{worse}.")
        if has_guess and low <= guess < value:
            found.append(f"{few} to say that the model is better than that.")
        elif high - low > _WIDE:
            other = high if high - value > value - low else low
            found.append(f"{few} to tell {100 * value:.0f} % from {100 * other:.0f} %.")
        return tuple(found)


def verdict_of(metric: str, figures: ImageMetrics, num_images: int) -> Verdict:
    """Return the verdict by the figure of that name, which ``figures`` must have."""
    place = figures.names.index(metric)
    if not num_images:
        interval = Interval(math.nan, math.nan, math.nan)
    elif figures.words.counts_images:
        value = float(figures.values(np.ones(num_images))[place])
        interval = wilson_interval(value, num_images)
    else:
        found = bootstrap_interval(figures, place, num_images, resamples=RESAMPLES, seed=_SEED)
        # Some figures are lower or higher in nearly every draw.
        interval = Interval(found.value, min(found.low, found.value), max(found.high, found.value))
    return Verdict(metric, num_images, interval, figures.words)


def wilson_interval(share: float, count: int) -> Interval:
    """Return the interval of a share of independent cases (Wilson 1927), which holds for few cases and for 0 and 1."""
    squared = _DEVIATIONS**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = _DEVIATIONS * math.sqrt(share * (1 - share) / count + squared / (4 * count**2)) / (1 + squared / count)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def selection_sentence(values: Sequence[float]) -> str | None:
    """Say that the best of the epochs flatters; ``values`` are the figure of each epoch on the same images.

    None where there was nothing to choose from.
    """
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return None
    best = max(range(len(known)), key=known.__getitem__)
    near = [*known[max(0, best - _NEIGHBORS) : best], *known[best + 1 : best + 1 + _NEIGHBORS]]
    mean = sum(near) / len(near)
    aside = f" (epochs next to it: {100 * mean:.1f} %)" if known[best] - mean > _NOISE else ""
    return (
        f"The model is the best of {len(known)} epochs by these very images, so its figure flatters{aside}: images "
        "that had no part in the choice tell what it is worth."
    )
