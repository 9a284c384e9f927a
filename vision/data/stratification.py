"""Divide a data set so that every part has its share of every class; groups stay whole, seeds repeat the result.

Legend: N images, P parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

_NONE = -1


def assign_parts(
    labels: Sequence[Mapping[int, float]],
    shares: Sequence[float],
    seed: int,
    groups: np.ndarray | None = None,
    stratify: bool = True,
) -> np.ndarray:
    """Return the part of each image, int64 [N].

    ``labels`` holds how often each image shows each class; an image of none is a class of its own kind. ``shares`` of
    the P parts sum to 1. Images of one number in ``groups`` int64 [N] stay together. The rarest classes are shared out
    first, each image to the part that lacks most of its class (iterative stratification: Sechidis et al. 2011).
    """
    units = _units(groups, len(labels))
    np.random.default_rng(seed).shuffle(units)
    held = [_counts(unit, labels) if stratify else {_NONE: float(len(unit))} for unit in units]
    totals: dict[int, float] = defaultdict(float)
    for counts in held:
        for class_id, count in counts.items():
            totals[class_id] += count
    wanted_of_class = {class_id: np.array(shares, float) * total for class_id, total in totals.items()}
    wanted = np.array(shares, float) * len(labels)
    # Images without a class come after classes that are as rare.
    rarest = [min(counts, key=lambda class_id: (totals[class_id], class_id == _NONE, class_id)) for counts in held]

    def turn(unit: int) -> tuple[float, bool, int, int, float]:
        # Large units first within a class, then images that show it often: small ones even out what they left.
        class_id = rarest[unit]
        most = max(labels[index].get(class_id, 0.0) for index in units[unit])
        return totals[class_id], class_id == _NONE, class_id, -len(units[unit]), -most

    part_of = np.zeros(len(labels), np.int64)
    for unit in sorted(range(len(units)), key=turn):
        need = wanted_of_class[rarest[unit]]
        part = int(np.lexsort((-wanted, -np.round(need, 9)))[0])
        part_of[units[unit]] = part
        wanted[part] -= len(units[unit])
        for class_id, count in held[unit].items():
            wanted_of_class[class_id][part] -= count
    return part_of


def _units(groups: np.ndarray | None, count: int) -> list[list[int]]:
    """Return the images that go to one part together."""
    if groups is None:
        return [[index] for index in range(count)]
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return list(members.values())


def _counts(unit: Sequence[int], labels: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return how often a unit shows each class; an image without one counts once as such."""
    counts: dict[int, float] = defaultdict(float)
    for index in unit:
        for class_id, count in (labels[index] or {_NONE: 1.0}).items():
            counts[class_id] += count
    return counts


def usual_folds(images: int) -> int:
    """Return into how many folds few images are best divided, of which each needs two."""
    return min(5, max(2, images // 2))
