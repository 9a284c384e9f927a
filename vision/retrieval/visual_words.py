"""Visual words (Csurka et al. 2004): local features named by their nearest center, by which parts of a photo are found.

Legend: N images, F features, W words, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vision.retrieval.matching_views import LocalFeatures
from vision.retrieval.nearest_images import Vectors

NEIGHBORS = 5
_MOST_WORDS, _FEATURES_OF_A_WORD = 2000, 20
_IMAGES_LEARNED_FROM, _MOST_LEARNED_FROM = 500, 50_000
_ITERATIONS = 10
_BLOCK = 8192


def pairs_by_words(features_of: Callable[[int], LocalFeatures], count: int) -> np.ndarray:
    """Return pairs int64 [P, 2] of ``count`` images that have the most words in common, also where one is mirrored.

    Each image comes with its nearest ones, whatever they have in common. ``features_of`` gives those of a place.
    """
    sample = np.unique(np.linspace(0, count - 1, min(count, _IMAGES_LEARNED_FROM)).astype(np.int64))
    codebook = learn_words([features_of(place) for place in sample.tolist()])
    plain, mirrored = np.zeros((2, count, len(codebook)), np.float32)
    for place in range(count):
        features = features_of(place)
        plain[place], mirrored[place] = words(features, codebook), words(features.mirrored(), codebook)
    index = Vectors(plain)
    pairs = []
    for queries in (plain, mirrored):
        nearest = index.nearest(queries, NEIGHBORS + 1).places
        own = np.repeat(np.arange(count)[:, None], nearest.shape[1], axis=1)
        pairs.append(np.sort(np.stack([own.ravel(), nearest.ravel()], axis=1), axis=1))
    found = np.unique(np.concatenate(pairs), axis=0)
    return found[found[:, 0] < found[:, 1]]


def learn_words(images: Sequence[LocalFeatures]) -> Tensor:
    """Return the centers float32 [W, 128] of k-means over the features, at most 2000."""
    random = np.random.default_rng(0)
    each = max(1, _MOST_LEARNED_FROM // max(1, len(images)))
    parts = [random.permutation(image.descriptors)[:each] for image in images]
    features = torch.from_numpy(random.permutation(np.concatenate([*parts, np.zeros((1, 128), np.float32)])))
    centers = features[: max(1, min(_MOST_WORDS, len(features) // _FEATURES_OF_A_WORD))].clone()
    for _ in range(_ITERATIONS):
        nearest = _nearest(features, centers)
        sums = torch.zeros_like(centers).index_add_(0, nearest, features)
        counts = torch.bincount(nearest, minlength=len(centers))[:, None]
        # A center that is the nearest of none stays.
        centers = torch.where(counts > 0, sums / counts.clamp(min=1), centers)
    return centers


def words(image: LocalFeatures, codebook: Tensor) -> np.ndarray:
    """Return the root of how often each word occurs, float32 [W]: frequent ones count less."""
    nearest = _nearest(torch.from_numpy(image.descriptors), codebook)
    return torch.bincount(nearest, minlength=len(codebook)).float().sqrt().numpy()


def _nearest(features: Tensor, centers: Tensor) -> Tensor:
    """Return the nearest center of each feature, int64 [F]. The square of a feature is the same for all centers."""
    squares = centers.square().sum(dim=1)
    blocks = [(squares - 2 * block @ centers.T).argmin(dim=1) for block in features.split(_BLOCK)]
    return torch.cat(blocks) if blocks else torch.zeros(0, dtype=torch.int64)
