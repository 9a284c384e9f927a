"""The training images that look the most like others, such as those about which a model was wrong.

Legend: Q images that are compared, N training images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.image_codec import decode_rgb
from vision.data.labels import read_label
from vision.data.readers.class_names import class_name
from vision.data.sample import Reader
from vision.retrieval.copies import show_one_picture
from vision.retrieval.embedding_model import EmbeddingModel, Pixels, content_of
from vision.retrieval.nearest_images import Vectors
from vision.settings.errors import DataError

# Of more training images this many are compared, evenly spread: a report must not take as long as the training.
MOST_COMPARED = 4_000


@dataclass(frozen=True)
class TrainingNeighbor:
    """A training image that resembles another by a cosine ``similarity`` of -1..1; ``index`` and ``key`` name it.

    ``label`` is its label in words, "" where pixels are labeled; ``classes`` are the class ids that it states.
    """

    index: int
    key: str
    similarity: float
    label: str
    classes: frozenset[int]


class TrainingImages:
    """Training images, each with its vector; those that cannot be read are left out."""

    def __init__(self, model: EmbeddingModel, reader: Reader, class_names: Sequence[str]) -> None:
        self._model = model
        self._reader = reader
        self._class_names = class_names
        count = min(MOST_COMPARED, len(reader))
        self.compared = np.linspace(0, len(reader) - 1, count).round().astype(np.int64).tolist()
        contents = (content_of(reader, index) for index in self.compared)
        places, vectors = model.embed_all("comparing training images", contents, count)
        self._places = [self.compared[place] for place in places]
        self._vectors = Vectors(vectors)

    def nearest(self, images: Sequence[np.ndarray], count: int) -> list[list[TrainingNeighbor]]:
        """Return the training images that are the most similar to each of Q images uint8 [H, W, 3], best first."""
        found = self._model.embed(Pixels("", image) for image in images)
        queries = [one.vector for one in found if not isinstance(one.vector, str)]
        assert len(queries) == len(images), "what is decoded can be embedded"
        if not queries:
            return []
        places, similarities = self._vectors.nearest(np.stack(queries), count)
        return [
            [self._neighbor(self._places[place], similarity) for place, similarity in zip(*row, strict=True)]
            for row in zip(places.tolist(), similarities.tolist(), strict=True)
        ]

    def is_copy(self, image: np.ndarray, neighbor: TrainingNeighbor) -> bool:
        """Return whether an image shows the same picture as a training image, perhaps cropped or mirrored."""
        pixels = self.image(neighbor.index)
        return pixels is not None and show_one_picture(image, pixels)

    def image(self, index: int) -> np.ndarray | None:
        """Return the pixels of a training image uint8 [H, W, 3], None if they cannot be read."""
        try:
            sample = self._reader[index]
            return decode_rgb(sample.encoded, sample.key)
        except DataError:
            return None

    def _neighbor(self, index: int, similarity: float) -> TrainingNeighbor:
        key = self._reader.key(index)
        try:
            raw = self._reader.target(index)
            label = () if isinstance(raw, bytes) else read_label(raw, key)
        except DataError:
            label = ()
        if isinstance(label, ObjectRows):
            counts = Counter(label.class_ids.astype(int).tolist())
            shown = ", ".join(f"{count} {class_name(self._class_names, one)}" for one, count in sorted(counts.items()))
            return TrainingNeighbor(index, key, similarity, shown, frozenset(counts))
        shown = ", ".join(class_name(self._class_names, class_id) for class_id in label)
        return TrainingNeighbor(index, key, similarity, shown, frozenset(label))
