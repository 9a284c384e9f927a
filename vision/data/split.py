"""Shares out a data set: every class in every part as the shares say, groups whole, the same for the same seed.

Legend: N images, K classes, P parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np


def assign_parts(
    classes: Sequence[Sequence[int]],
    shares: Sequence[float],
    seed: int,
    groups: np.ndarray | None = None,
    stratify: bool = True,
) -> np.ndarray:
    """Part of each image, int64 [N].

    ``classes`` holds the classes of each image; an image of none is a class of its own kind. ``shares`` sum to 1.
    Images of one number in ``groups`` int64 [N] stay together. The rarest classes are shared out first, each image to
    the part that lacks most of its class (iterative stratification: Sechidis et al. 2011).
    """
    units = _units(groups, len(classes))
    np.random.default_rng(seed).shuffle(units)
    none = max((class_id for ids in classes for class_id in ids), default=-1) + 1
    held = [_counts(unit, classes, none) if stratify else {none: len(unit)} for unit in units]
    totals = np.zeros(none + 1)
    for counts in held:
        for class_id, count in counts.items():
            totals[class_id] += count
    wanted_of_class = np.outer(shares, totals)
    wanted = np.array(shares, float) * len(classes)
    rarest = [min(counts, key=lambda class_id: (totals[class_id], class_id)) for counts in held]
    part_of = np.zeros(len(classes), np.int64)
    # Large units first within a class: small ones then even out what they left.
    order = sorted(range(len(units)), key=lambda unit: (totals[rarest[unit]], rarest[unit], -len(units[unit])))
    for unit in order:
        need = wanted_of_class[:, rarest[unit]]
        part = int(np.lexsort((-wanted, -np.round(need, 9)))[0])
        part_of[units[unit]] = part
        wanted[part] -= len(units[unit])
        for class_id, count in held[unit].items():
            wanted_of_class[part, class_id] -= count
    return part_of


def _units(groups: np.ndarray | None, count: int) -> list[list[int]]:
    """Images that go to one part together."""
    if groups is None:
        return [[index] for index in range(count)]
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return list(members.values())


def _counts(unit: Sequence[int], classes: Sequence[Sequence[int]], none: int) -> dict[int, int]:
    """Images of each class in a unit."""
    counts: dict[int, int] = defaultdict(int)
    for index in unit:
        for class_id in classes[index] or (none,):
            counts[class_id] += 1
    return counts
