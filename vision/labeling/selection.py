"""Which images of a pool a person should label next.

Legend: N images of the pool, M labeled images, D the length of a vector.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

By = Literal["uncertainty", "diverse", "mixed"]
WAYS: tuple[By, ...] = get_args(By)
# "mixed" chooses different images among this many times as many doubtful ones as are wanted.
SHORTLIST = 5


def select(
    uncertainties: np.ndarray, vectors: np.ndarray, count: int, by: By, labeled: np.ndarray | None = None
) -> np.ndarray:
    """Return the places int64 [count] of the images to label, the most useful first.

    ``uncertainties`` float [N]: the network's doubt on each. ``vectors`` float32 [N, D] and those of ``labeled`` images
    [M, D], all of length 1: like images have like vectors. "uncertainty" takes the most doubtful, "diverse" those that
    are the farthest from all chosen and labeled ones (k-center, Sener and Savarese 2018), "mixed" these among the most
    doubtful.
    """
    count = min(count, len(uncertainties))
    doubtful = np.argsort(-np.asarray(uncertainties), kind="stable")
    if by == "uncertainty":
        return doubtful[:count]
    shortlist = np.arange(len(doubtful)) if by == "diverse" else doubtful[: SHORTLIST * count]
    return shortlist[_centers(vectors[shortlist], count, labeled)]


def _centers(vectors: np.ndarray, count: int, labeled: np.ndarray | None) -> np.ndarray:
    """Return places of ``count`` vectors, each the farthest from those before it and from the labeled ones."""
    if not count:
        return np.zeros(0, np.int64)
    if labeled is None or not len(labeled):
        # The most usual image: where everything begins, an odd one would waste a label.
        first = int((vectors @ vectors.mean(axis=0)).argmax())
        nearest = vectors @ vectors[first]
        chosen = [first]
    else:
        nearest = np.full(len(vectors), -np.inf)
        for start in range(0, len(labeled), 4096):
            nearest = np.maximum(nearest, (vectors @ labeled[start : start + 4096].T).max(axis=1))
        chosen = []
    taken = np.zeros(len(vectors), bool)
    taken[chosen] = True
    while len(chosen) < count:
        place = int(np.where(taken, np.inf, nearest).argmin())
        chosen.append(place)
        taken[place] = True
        nearest = np.maximum(nearest, vectors @ vectors[place])
    return np.array(chosen, np.int64)
