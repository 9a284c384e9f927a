"""Copies among the images of an index: equal bytes, one picture that was re-encoded or changed, and photos of a scene.

Legend: N images, P pairs of candidates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vision.data.inspect.look_alikes import connected, fingerprint, grouped, look_alike
from vision.retrieval.image_index import IndexEntries
from vision.retrieval.matching_views import (
    LEAST_INLIERS,
    NO_FEATURES,
    LocalFeatures,
    SmallView,
    change_of_view,
    local_features,
    pixels_agree,
)
from vision.retrieval.nearest_images import Vectors
from vision.retrieval.visual_words import pairs_by_words

Alike = Literal["picture", "scene"]

# Each image is compared with this many neighbors, and with all that are at least so similar.
NEIGHBORS = 5
SIMILARITY = 0.9
# Pairs of candidates to each image, at most; where nearly all images are alike, vectors cannot choose.
_MOST_CANDIDATES = 5
# Each keeps up to 0.5 MB of features.
_PICTURES_KEPT = 800
# Words of more images would take more than a gigabyte, and looking at each twice hours.
MOST_WITH_WORDS = 20_000


@dataclass(frozen=True)
class Copies:
    """Groups of names: images of equal bytes, and images that show one picture (one of each ``exact`` group).

    ``scenes`` are groups of other photos of one object or scene: taken one after the other, frames of a film.
    ``unread`` are names whose files cannot be read any more, which only their vectors speak for.
    """

    exact: list[list[str]]
    near: list[list[str]]
    scenes: list[list[str]]
    unread: list[str]


def find_copies(
    entries: IndexEntries,
    image_of: Callable[[str], np.ndarray | None],
    similarity: float = SIMILARITY,
    advance: Callable[[int], None] = lambda count: None,
    neighbors: int = NEIGHBORS,
) -> Copies:
    """Find the copies among the entries: vectors and visual words choose candidates, the pictures themselves decide.

    ``image_of`` gives the pixels uint8 [H, W, 3] of a name, None if they cannot be read. ``advance`` takes the number
    of pairs that were compared.
    """
    _, first, group = np.unique(entries.digests.view("V32").ravel(), return_index=True, return_inverse=True)
    exact = grouped(np.arange(len(entries)), group.ravel())
    single = np.sort(first)
    pictures = _Pictures(entries.names, image_of)
    candidates = [candidate_pairs(entries.vectors[single], similarity, neighbors)]
    if len(single) <= MOST_WITH_WORDS:
        candidates.append(pairs_by_words(lambda place: pictures.features(int(single[place])), len(single)))
    pairs = single[np.unique(np.concatenate(candidates), axis=0)]
    found: dict[Alike, list[tuple[int, int]]] = {"picture": [], "scene": []}
    for one, other in pairs.tolist():
        alike = pictures.compare(one, other)
        if alike is not None:
            found[alike].append((one, other))
        advance(1)
    near = connected(np.array(found["picture"], np.int64).reshape(-1, 2))
    copy_of = {place: group[0] for group in near for place in group}
    # Copies of one photo are one of a scene.
    apart = [(copy_of.get(one, one), copy_of.get(other, other)) for one, other in found["scene"]]
    scenes = connected(np.array([pair for pair in apart if pair[0] != pair[1]], np.int64).reshape(-1, 2))

    def named(groups: Iterable[Iterable[int]]) -> list[list[str]]:
        return [[entries.names[place] for place in group] for group in groups]

    return Copies(named(exact), named(near), named(scenes), sorted(pictures.unread))


def candidate_pairs(vectors: np.ndarray, similarity: float, neighbors: int = NEIGHBORS) -> np.ndarray:
    """Return the pairs int64 [P, 2] of images that may show one picture, by their vectors [N, D].

    They are the nearest ``neighbors`` of each image, and below a similarity of 1 all that are at least so similar.
    """
    found = Vectors(vectors)
    nearest = found.nearest(found.vectors.numpy(), neighbors + 1).places
    own = np.repeat(np.arange(len(nearest))[:, None], nearest.shape[1], axis=1)
    nearby = np.stack([own.ravel(), nearest.ravel()], axis=1)
    if similarity < 1:
        alike, _ = found.pairs_above(similarity, _MOST_CANDIDATES * max(1, len(found)))
        nearby = np.concatenate([nearby, alike])
    pairs = np.sort(nearby, axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def show_one_picture(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two images uint8 [H, W, 3] are copies of one picture, perhaps changed."""
    return _in_common(_Picture.of(first), _Picture.of(second)) == "picture"


def _in_common(one: _Picture, other: _Picture) -> Alike | None:
    if one.looks_like(other):
        return "picture"
    scene = False
    for features in (other.features, other.features.mirrored()):
        change = change_of_view(one.features, features)
        if change.agreeing >= LEAST_INLIERS:
            scene = True
            view = other.view if features is other.features else other.view.mirrored()
            if pixels_agree(one.view, view, change.homography):
                return "picture"
    return "scene" if scene else None


class _Pictures:
    """Compares images; those that were compared last are not read and measured again."""

    def __init__(self, names: tuple[str, ...], image_of: Callable[[str], np.ndarray | None]) -> None:
        self._names = names
        self._image_of = image_of
        self._of = functools.lru_cache(_PICTURES_KEPT)(self._read)
        self.unread: set[str] = set()

    def features(self, place: int) -> LocalFeatures:
        """Return the local features of an image, none if it cannot be read."""
        picture = self._of(place)
        return NO_FEATURES if picture is None else picture.features

    def compare(self, first: int, second: int) -> Alike | None:
        """Return what two images have in common."""
        one, other = self._of(first), self._of(second)
        return None if one is None or other is None else _in_common(one, other)

    def _read(self, place: int) -> _Picture | None:
        name = self._names[place]
        rgb = self._image_of(name)
        if rgb is None:
            self.unread.add(name)
            return None
        return _Picture.of(rgb)


@dataclass(frozen=True)
class _Picture:
    thumbnail: np.ndarray
    features: LocalFeatures
    view: SmallView

    @classmethod
    def of(cls, rgb: np.ndarray) -> _Picture:
        return cls(fingerprint(b"", rgb).thumbnail, local_features(rgb), SmallView.of(rgb))

    def looks_like(self, other: _Picture) -> bool:
        """Return whether small copies agree, in one of eight positions: small and blurred images have no features."""
        sides = (other.thumbnail, other.thumbnail[:, ::-1])
        turned = [np.rot90(side, quarter) for side in sides for quarter in range(4)]
        pairs = np.array([(0, position) for position in range(1, 9)])
        return bool(look_alike(pairs, np.stack([self.thumbnail, *turned])).any())
