"""What the neighbors of an image say about it: that its label is wrong, or that it does not belong here.

Legend: N images (or boxes), K neighbors of each, D the length of a vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.retrieval.nearest_images import Nearest, Vectors

NEIGHBORS = 10
# Share of the neighbors that have to show a class which the label lacks.
LEAST_SHARE = 0.8
# With fewer neighbors a majority says nothing.
_LEAST_ASKED = 4
LEAST_DEVIATIONS = 5.0
# The spread of fewer distances is not known well.
_LEAST_OF_CLASS = 20
# Similarities of vectors that are stored in 16 bits are no more exact.
_LEAST_SPREAD = 1e-3
# The median absolute deviation of a normal distribution, as a share of its standard deviation.
_MAD_OF_NORMAL = 0.6745


@dataclass(frozen=True)
class SuspiciousLabel:
    """An image whose neighbors show a class that its label lacks.

    ``place`` is that of the image, ``class_id`` the class that a ``share`` 0..1 of its neighbors shows, ``agreeing``
    the places of these, the most similar first.
    """

    place: int
    class_id: int
    share: float
    agreeing: tuple[int, ...]


def neighbors(vectors: np.ndarray, count: int = NEIGHBORS) -> Nearest:
    """Return the ``count`` most similar others of each of the vectors [N, D], fewer where there are fewer."""
    found = Vectors(vectors)
    places, similarities = found.nearest(vectors, count + 1)
    is_other = places != np.arange(len(places))[:, None]
    # An image with equals may not be among its own nearest: then the last one goes.
    is_other[is_other.all(axis=1), -1] = False
    shape = (len(places), max(0, places.shape[1] - 1))
    return Nearest(places[is_other].reshape(shape), similarities[is_other].reshape(shape))


def suspicious_labels(
    labels: Sequence[frozenset[int]], nearest: np.ndarray, least_share: float = LEAST_SHARE
) -> list[SuspiciousLabel]:
    """Return the labels that neighbors contradict, those that most neighbors contradict first.

    ``labels`` are the classes of each image, ``nearest`` int64 [N, K] the places of its neighbors. Of an image whose
    one class is rare fewer are asked, twice as many as others show the class: else these would always be outvoted.
    """
    counts = Counter(class_id for label in labels for class_id in label)
    found = []
    for place, label in enumerate(labels):
        asked = nearest.shape[1]
        if len(label) == 1:
            asked = min(asked, *(2 * (counts[class_id] - 1) for class_id in label))
        if asked < _LEAST_ASKED:
            continue
        near = nearest[place, :asked].tolist()
        votes = Counter(class_id for neighbor in near for class_id in labels[neighbor] - label)
        if not votes:
            continue
        class_id, count = min(votes.items(), key=lambda item: (-item[1], item[0]))
        if count >= least_share * asked:
            agreeing = tuple(neighbor for neighbor in near if class_id in labels[neighbor])
            found.append(SuspiciousLabel(place, class_id, count / asked, agreeing))
    return sorted(found, key=lambda one: -one.share)


def agreement(labels: Sequence[frozenset[int]], nearest: np.ndarray) -> float:
    """Return the mean share 0..1 of the neighbors of an image that show a class of its label.

    Where it is low the vectors do not separate the classes, and a label that neighbors contradict may well be right.
    """
    if not nearest.size:
        return 0.0
    agreeing = sum(
        not label.isdisjoint(labels[neighbor])
        for label, near in zip(labels, nearest.tolist(), strict=True)
        for neighbor in near
    )
    return agreeing / nearest.size


def deviations(similarities: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Return how far each image lies from its neighbors, float64 [N]; above ``LEAST_DEVIATIONS`` it is an outlier.

    ``similarities`` float32 [N, K] are those of its neighbors, ``class_of`` int64 [N] its class, -1 where it has not
    exactly one. The unit is a robust standard deviation of the distances above the median, of which there are more than
    below. An image is measured by its class, as some vary more than others, or by all where the class is rare.
    """
    if not similarities.size:
        return np.zeros(len(similarities))
    distances = 1.0 - similarities.mean(axis=1, dtype=np.float64)
    found = _deviations(distances)
    for class_id, count in zip(*np.unique(class_of, return_counts=True), strict=True):
        if class_id >= 0 and count >= _LEAST_OF_CLASS:
            found[class_of == class_id] = _deviations(distances[class_of == class_id])
    return found


def _deviations(distances: np.ndarray) -> np.ndarray:
    above = distances - np.median(distances)
    spread = np.median(above[above > 0]) / _MAD_OF_NORMAL if (above > 0).any() else 1.0
    return np.asarray(above / max(spread, _LEAST_SPREAD))
