"""A pool of unlabeled images as a model sees them: its doubts, its proposals, and vectors of what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from vision.algorithms.algorithm import ScoredLabel
from vision.api.model import Model, PreparedImage
from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.settings.errors import DataError, UserError

_BATCH = 32


@dataclass(frozen=True)
class Pool:
    """``names`` of N images, ``sizes_px`` (width, height), ``proposals`` of labels, doubts [N], vectors [N, D]."""

    names: list[str]
    sizes_px: list[tuple[int, int]]
    proposals: list[list[ScoredLabel]]
    uncertainties: np.ndarray
    vectors: np.ndarray


def look_through(
    model: Model, embedding: EmbeddingModel, contents: Iterable[Content], on_failure: Callable[[str], object]
) -> Pool:
    """Show every image to the model. ``on_failure`` takes a sentence on each that cannot be read. Raises UserError."""
    if not model.algorithm.facts.capabilities.uncertainty:
        raise UserError(f"A model of {model.algorithm.facts.name} does not say how sure it is: choose images by hand.")
    seen = _Seen(model, embedding)
    batch: list[tuple[str, PreparedImage]] = []
    for name, encoded in contents:
        try:
            if isinstance(encoded, DataError):
                raise encoded
            batch.append((name, model.prepare(encoded, name)))
        except DataError as error:
            on_failure(str(error))
        if len(batch) == _BATCH:
            seen.add(batch)
            batch = []
    seen.add(batch)
    if not seen.names:
        raise UserError("The pool has no image that can be read.")
    return seen.pool()


class _Seen:
    def __init__(self, model: Model, embedding: EmbeddingModel) -> None:
        self._model, self._embedding = model, embedding
        self.names: list[str] = []
        self._sizes_px: list[tuple[int, int]] = []
        self._proposals: list[list[ScoredLabel]] = []
        self._uncertainties: list[float] = []
        self._vectors: list[np.ndarray] = []

    def add(self, batch: list[tuple[str, PreparedImage]]) -> None:
        if not batch:
            return
        algorithm = self._model.algorithm
        images = [image for _, image in batch]
        predictions = self._model.predict_prepared(images)
        self.names += [name for name, _ in batch]
        self._sizes_px += [image.size_px for image in images]
        self._proposals += [algorithm.proposed_labels(prediction) for prediction in predictions]
        self._uncertainties += [algorithm.uncertainty(prediction) for prediction in predictions]
        self._vectors.append(self._embedding.vectors([image.pixels for image in images]))

    def pool(self) -> Pool:
        vectors = np.concatenate(self._vectors)
        return Pool(self.names, self._sizes_px, self._proposals, np.array(self._uncertainties), vectors)
