"""Divide a data set so that every part has its share of every class; groups stay whole, seeds repeat the result.

Legend: N images, K classes, P parts, F folds.
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
    """Return the part of each image, int64 [N].

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
    """Return the images that go to one part together."""
    if groups is None:
        return [[index] for index in range(count)]
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return list(members.values())


def _counts(unit: Sequence[int], classes: Sequence[Sequence[int]], none: int) -> dict[int, int]:
    """Return the number of images of each class in a unit."""
    counts: dict[int, int] = defaultdict(int)
    for index in unit:
        for class_id in classes[index] or (none,):
            counts[class_id] += 1
    return counts


def stratified_folds(label_counts: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each image, int64 [N] (0..F-1). ``label_counts`` float64 [N, K]: how often it has each label.

    Iterative stratification (Sechidis et al. 2011): the rarest label first, each of its images to the fold that lacks
    it most. With one label an image that is plain stratification. Sizes of folds differ as little as the labels allow.
    Images of one number in ``groups`` int64 [N] stay in one fold; there must be as many groups as folds.
    """
    if groups is not None:
        _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        label_counts_of_group = np.zeros((len(sizes), label_counts.shape[1]))
        np.add.at(label_counts_of_group, group_of, label_counts)
        return _folds_of_units(label_counts_of_group, sizes, folds, seed)[group_of]
    return _folds_of_units(label_counts, np.ones(len(label_counts), np.int64), folds, seed)


def _folds_of_units(label_counts: np.ndarray, sizes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each of N units of ``sizes`` int64 [N] images."""
    num_units = len(label_counts)
    assert 2 <= folds <= num_units, (folds, num_units)
    rng = np.random.default_rng(seed)
    fold_of = np.full(num_units, -1, np.int64)
    room = np.full(folds, sizes.sum() / folds)
    wanted = np.repeat(label_counts.sum(axis=0)[None] / folds, folds, axis=0)
    # Labels are looked at once; a random order breaks ties, and later of equals is as good as earlier.
    remaining = rng.permutation(num_units)
    while len(remaining):
        left = label_counts[remaining].sum(axis=0)
        if not left.any():
            break
        label = int(np.where(left > 0, left, np.inf).argmin())
        chosen = remaining[label_counts[remaining, label] > 0]
        # Images with many boxes first, which later ones even out.
        chosen = chosen[np.argsort(-label_counts[chosen, label], kind="stable")]
        for unit in chosen:
            fold_of[unit] = fold = _neediest(wanted[:, label], room, rng)
            wanted[fold] -= label_counts[unit]
            room[fold] -= sizes[unit]
        remaining = remaining[fold_of[remaining] < 0]
    for unit in remaining:
        fold_of[unit] = fold = _neediest(room, room, rng)
        room[fold] -= sizes[unit]
    return fold_of


def _neediest(wanted: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> int:
    """Return the fold that needs a label most; of equals one with the most room, at random."""
    best = np.flatnonzero(np.isclose(wanted, wanted.max()))
    best = best[np.isclose(room[best], room[best].max())]
    return int(rng.choice(best))
