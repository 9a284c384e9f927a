"""Search an index by an image: the most similar by the network, and of these first what shows the same thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.image_codec import decode_rgb
from vision.retrieval.image_index import IndexEntries
from vision.retrieval.matching_views import LEAST_INLIERS, agreeing_matches, local_features
from vision.retrieval.nearest_images import Nearest, Vectors
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# Candidates whose local features are compared.
RERANKED = 50


@dataclass(frozen=True)
class FoundImage:
    """An image of the index: its ``name``, cosine ``similarity`` -1..1, and how many local features agree.

    ``agreeing`` is None where features were not compared.
    """

    name: str
    similarity: float
    agreeing: int | None = None


class ImageSearch:
    """All entries of an index in memory, ready to be asked."""

    def __init__(self, entries: IndexEntries, *, whiten: bool = False) -> None:
        self._names = list(entries.names)
        self._vectors = Vectors(entries.vectors, whiten=whiten)

    def append(self, entries: IndexEntries) -> None:
        """Append entries of further names, whatever threads search."""
        # First, so that each vector that is found has its name.
        self._names += entries.names
        self._vectors.append(entries.vectors)

    def vector(self, place: int) -> np.ndarray:
        """Return the vector float32 [D] of the image at this place."""
        found: np.ndarray = self._vectors.vectors[place].numpy()
        return found

    def nearest(self, queries: np.ndarray, top: int) -> list[list[FoundImage]]:
        """Return the most similar images of each query vector float32 [Q, D]."""
        return named(self._names, self._vectors.nearest(queries, top))


def named(names: Sequence[str], found: Nearest) -> list[list[FoundImage]]:
    """Return what was found for each query by name. A place below 0 stands for nothing."""
    return [
        [
            # Rounding makes equal vectors a little more alike than equal.
            FoundImage(names[place], min(1.0, float(similarity)))
            for place, similarity in zip(places, similarities, strict=True)
            if place >= 0
        ]
        for places, similarities in zip(found.places.tolist(), found.similarities, strict=True)
    ]


def ranked_by_views(
    query: np.ndarray, candidates: Sequence[FoundImage], image_of: Callable[[str], np.ndarray | None]
) -> list[FoundImage]:
    """Put those first that show the same object or scene as ``query`` uint8 [H, W, 3], by agreeing local features.

    They may show it mirrored. ``image_of`` gives the pixels of a name, None if they cannot be read. The others keep
    their order.
    """
    features = local_features(query)
    views = features, features.mirrored()
    counted = []
    for candidate in candidates:
        pixels = image_of(candidate.name)
        agreeing = None
        if pixels is not None:
            candidate_features = local_features(pixels)
            agreeing = max(agreeing_matches(view, candidate_features) for view in views)
        counted.append(FoundImage(candidate.name, candidate.similarity, agreeing))
    return sorted(counted, key=lambda one: -_weight(one.agreeing))


def pixels_of_file(name: str) -> np.ndarray | None:
    """Return an image uint8 [H, W, 3] of an index by its name; None where no such file can be read any more."""
    try:
        with open_regular(Path(name)) as file:
            return decode_rgb(file.read(), name)
    except (OSError, DataError):
        return None


def _weight(agreeing: int | None) -> int:
    return agreeing if agreeing is not None and agreeing >= LEAST_INLIERS else 0
