"""Stratified folds: every class shared out as evenly as its images allow, also where images have several labels.

Legend: N images, K classes, F folds.
"""

from __future__ import annotations

import numpy as np


def stratified_folds(label_counts: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold int64 [N] (0..F-1) of each image, from how often it has each label, float64 [N, K].

    Iterative stratification (Sechidis et al. 2011): the rarest label first, each of its images to the fold that lacks
    it most. With one label an image that is plain stratification. Sizes of folds differ as little as the labels allow.
    """
    num_images = len(label_counts)
    assert 2 <= folds <= num_images, (folds, num_images)
    rng = np.random.default_rng(seed)
    fold_of = np.full(num_images, -1, np.int64)
    room = np.full(folds, num_images / folds)
    wanted = np.repeat(label_counts.sum(axis=0)[None] / folds, folds, axis=0)
    # Labels are looked at once; a random order breaks ties, and later of equals is as good as earlier.
    remaining = rng.permutation(num_images)
    while len(remaining):
        left = label_counts[remaining].sum(axis=0)
        if not left.any():
            break
        label = int(np.where(left > 0, left, np.inf).argmin())
        chosen = remaining[label_counts[remaining, label] > 0]
        # Images with many boxes first, which later ones even out.
        chosen = chosen[np.argsort(-label_counts[chosen, label], kind="stable")]
        for image in chosen:
            fold_of[image] = fold = _neediest(wanted[:, label], room, rng)
            wanted[fold] -= label_counts[image]
            room[fold] -= 1
        remaining = remaining[fold_of[remaining] < 0]
    for image in remaining:
        fold_of[image] = fold = _neediest(room, room, rng)
        room[fold] -= 1
    return fold_of


def _neediest(wanted: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> int:
    """The fold that wants a label most; of equals the one with most room, of those any."""
    best = np.flatnonzero(np.isclose(wanted, wanted.max()))
    best = best[np.isclose(room[best], room[best].max())]
    return int(rng.choice(best))
