"""The network that makes the vectors of images for the indexes that are served."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.api.model import PreparedImage
from vision.retrieval.embedding_model import EmbeddingModel
from vision.retrieval.image_index import IndexDescription
from vision.serving.hosted_network import HostedNetwork, SharedResources
from vision.serving.request_body import EncodedImage


class HostedEmbedding(HostedNetwork):
    """Makes the vectors that ``vision index`` makes by the same model: its weights are not packed."""

    def __init__(self, model: EmbeddingModel, shared: SharedResources) -> None:
        self._model = model
        self.description = IndexDescription(model=model.name, model_sha256=model.sha256, dimension=model.dimension)
        super().__init__(self._prepare, self._vectors, model.device, shared)

    async def vectors(self, images: Sequence[EncodedImage]) -> list[np.ndarray | str]:
        """Return the vector float32 [D] of each image, or the sentence on why there is none."""
        answers = await self.predict(images, lambda vector, size_px: np.asarray(vector, np.float32).tobytes())
        return [answer.problem or np.frombuffer(answer.body, np.float32).copy() for answer in answers]

    def _prepare(self, pixels: np.ndarray, name: str) -> PreparedImage:
        height, width = pixels.shape[:2]
        return PreparedImage(self._model.prepare(pixels, name), (width, height))

    def _vectors(self, images: list[PreparedImage]) -> list[object]:
        vectors: list[object] = [None] * len(images)
        for shape in {image.pixels.shape for image in images}:
            places = [place for place, image in enumerate(images) if image.pixels.shape == shape]
            found = self._model.vectors([images[place].pixels for place in places])
            for place, vector in zip(places, found, strict=True):
                vectors[place] = vector
        return vectors
