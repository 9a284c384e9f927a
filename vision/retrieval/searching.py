"""Search an index for images, one after the other, by the engine that its size or the user asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from vision.retrieval.clustered_vectors import NEAREST, ClusteredVectors
from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.retrieval.found_images import RERANKED, FoundImage, ImageSearch, named, pixels_of_file, ranked_by_views
from vision.retrieval.image_index import ImageIndex
from vision.retrieval.stored_vectors import StoredVectors
from vision.settings.errors import UserError

Rerank = Literal["none", "geometry"]
Engine = Literal["exact", "faiss"]
MOST_SHOWN = 1000


class Search(Protocol):
    """An index ready to be asked."""

    def nearest(self, queries: np.ndarray, top: int) -> list[list[FoundImage]]:
        """Return the most similar images of each query vector float32 [Q, D]."""
        ...


class StoredSearch:
    """A large index, whose vectors stay on disk or lie in faiss's clusters."""

    def __init__(self, names: Sequence[str], vectors: StoredVectors | ClusteredVectors) -> None:
        self._names = names
        self._vectors = vectors

    def nearest(self, queries: np.ndarray, top: int) -> list[list[FoundImage]]:
        return named(self._names, self._vectors.nearest(queries, top))


def open_search(index: ImageIndex, *, whiten: bool, engine: Engine, on_note: Callable[[str], object]) -> Search:
    """Return the index ready to be asked: exactly, or by "faiss" in the nearest clusters alone. Raises UserError.

    ``on_note`` takes a sentence on the speed of a large index, or on how many of the nearest images faiss finds.
    """
    if engine == "exact" and (whiten or not index.is_large()):
        return ImageSearch(index.entries(), whiten=whiten)
    if whiten:
        raise UserError("whiten=true needs engine=exact: the clusters of faiss are made of the vectors as they are.")
    names, vectors = index.stored_vectors()
    if not names:
        return StoredSearch(names, vectors)
    if engine == "exact":
        on_note(f"{len(names):,} images: engine=faiss answers sooner, but may miss some of the nearest.")
        return StoredSearch(names, vectors)
    clusters = ClusteredVectors(index, vectors)
    on_note(f"Of the {NEAREST} images nearest to one of this index, faiss finds {clusters.recall:.1%}.")
    return StoredSearch(names, clusters)


@dataclass(frozen=True)
class Answer:
    """What was ``found`` for the image ``name``, the most similar first, or the sentence on why it cannot be read."""

    name: str
    found: tuple[FoundImage, ...] | str


def answers(
    search: Search, model: EmbeddingModel, contents: Iterable[Content], top: int, rerank: Rerank
) -> Iterator[Answer]:
    """Yield for each image the ``top`` most similar ones.

    "geometry" puts those of the first RERANKED ahead that show the same object or scene, by their local features.
    """
    for embedded in model.embed(contents):
        if isinstance(embedded.vector, str):
            yield Answer(embedded.name, embedded.vector)
            continue
        by_views = rerank == "geometry"
        found = search.nearest(embedded.vector[None], max(top, RERANKED) if by_views else top)[0]
        pixels = pixels_of_file(embedded.name) if by_views else None
        if pixels is not None:
            found = ranked_by_views(pixels, found, pixels_of_file)
        yield Answer(embedded.name, tuple(found[:top]))
