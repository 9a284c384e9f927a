"""Search an index for images, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.retrieval.found_images import RERANKED, FoundImage, ImageSearch, pixels_of_file, ranked_by_views

Rerank = Literal["none", "geometry"]
MOST_SHOWN = 1000


@dataclass(frozen=True)
class Answer:
    """What was ``found`` for the image ``name``, the most similar first, or the sentence on why it cannot be read."""

    name: str
    found: tuple[FoundImage, ...] | str


def answers(
    search: ImageSearch, model: EmbeddingModel, contents: Iterable[Content], top: int, rerank: Rerank
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
