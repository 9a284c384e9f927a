"""Copies among the images of an index: equal bytes, and pictures of one picture that was re-encoded or changed.

Legend: P pairs of candidates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from vision.data.inspect.look_alikes import connected, fingerprint, near_duplicates
from vision.retrieval.image_index import IndexEntries
from vision.retrieval.matching_views import LEAST_INLIERS, LocalFeatures, agreeing_matches, local_features
from vision.retrieval.nearest_images import Vectors

# Each image is compared with this many neighbors, and with all that are at least so similar.
NEIGHBORS = 5
SIMILARITY = 0.9
# Pairs of candidates to each image, at most; where nearly all images are alike, vectors cannot choose.
_MOST_CANDIDATES = 20
# Each keeps up to 0.8 MB of features.
_PICTURES_KEPT = 500


@dataclass(frozen=True)
class Copies:
    """Groups of names: images of equal bytes, and images that show one picture (one of each ``exact`` group).

    ``unread`` are names whose files cannot be read any more, which only their vectors speak for.
    """

    exact: list[list[str]]
    near: list[list[str]]
    unread: list[str]


def find_copies(
    entries: IndexEntries,
    image_of: Callable[[str], np.ndarray | None],
    similarity: float = SIMILARITY,
    advance: Callable[[int], None] = lambda count: None,
    neighbors: int = NEIGHBORS,
) -> Copies:
    """Find the copies among the entries: vectors choose candidates, the pictures themselves decide.

    ``image_of`` gives the pixels uint8 [H, W, 3] of a name, None if they cannot be read. ``advance`` is told of pairs
    that were compared.
    """
    _, first, group = np.unique(entries.digests.view("V32").ravel(), return_index=True, return_inverse=True)
    exact = [np.flatnonzero(group.ravel() == one) for one in np.flatnonzero(np.bincount(group.ravel()) > 1)]
    single = np.sort(first)
    pairs = single[candidate_pairs(entries.vectors[single], similarity, neighbors)]
    pictures = _Pictures(entries.names, image_of)
    kept = []
    for one, other in pairs.tolist():
        if pictures.are_one(one, other):
            kept.append((one, other))
        advance(1)
    near = connected(np.array(kept, np.int64).reshape(-1, 2))
    return Copies(
        [[entries.names[place] for place in places] for places in exact],
        [[entries.names[place] for place in places] for places in near],
        sorted(pictures.unread),
    )


def candidate_pairs(vectors: np.ndarray, similarity: float, neighbors: int = NEIGHBORS) -> np.ndarray:
    """Return the pairs int64 [P, 2] of images that may show one picture, by their vectors [N, D].

    They are the nearest ``neighbors`` of each image, and all that are at least so similar.
    """
    found = Vectors(vectors)
    nearest = found.nearest(found.vectors.numpy(), neighbors + 1).places
    own = np.repeat(np.arange(len(nearest))[:, None], nearest.shape[1], axis=1)
    nearby = np.stack([own.ravel(), nearest.ravel()], axis=1)
    alike, _ = found.pairs_above(similarity, _MOST_CANDIDATES * max(1, len(found)))
    pairs = np.sort(np.concatenate([nearby, alike]), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def show_one_picture(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two images uint8 [H, W, 3] are copies of one picture, perhaps changed."""
    return _are_one(_Picture.of(first), _Picture.of(second))


def _are_one(one: _Picture, other: _Picture) -> bool:
    hashes = np.array([one.hash, other.hash])
    for thumbnail in (other.thumbnail, other.thumbnail[:, ::-1]):
        if len(near_duplicates(hashes, np.stack([one.thumbnail, thumbnail]))[0]):
            return True
    return any(agreeing_matches(one.features, view) >= LEAST_INLIERS for view in (other.features, other.mirrored))


class _Pictures:
    """Compares images; those that were compared last are not read and measured again."""

    def __init__(self, names: tuple[str, ...], image_of: Callable[[str], np.ndarray | None]) -> None:
        self._names = names
        self._image_of = image_of
        self._of = functools.lru_cache(_PICTURES_KEPT)(self._read)
        self.unread: set[str] = set()

    def are_one(self, first: int, second: int) -> bool:
        one, other = self._of(first), self._of(second)
        return one is not None and other is not None and _are_one(one, other)

    def _read(self, place: int) -> _Picture | None:
        name = self._names[place]
        rgb = self._image_of(name)
        if rgb is None:
            self.unread.add(name)
            return None
        return _Picture.of(rgb)


@dataclass(frozen=True)
class _Picture:
    hash: np.uint64
    thumbnail: np.ndarray
    features: LocalFeatures
    mirrored: LocalFeatures

    @classmethod
    def of(cls, rgb: np.ndarray) -> _Picture:
        found = fingerprint(b"", rgb)
        return cls(found.hash, found.thumbnail, local_features(rgb), local_features(cv2.flip(rgb, 1)))
