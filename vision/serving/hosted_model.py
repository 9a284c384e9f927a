"""A model in memory that answers requests, warmed up by a real image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from vision.api.model import Model, PreparedImage, load
from vision.data.collate import stack_images
from vision.nn.cpu_inference import can_pack, fold_batch_norm, pack_convolutions
from vision.serving.hosted_network import Answer, Describe, HostedNetwork, SharedResources
from vision.serving.request_body import EncodedImage


class HostedModel(HostedNetwork):
    """Answers encoded images with the answers that SageMaker's endpoints give. The network of ``model`` is its own."""

    def __init__(self, model: Model, shared: SharedResources) -> None:
        self.model = model
        self.forms = model.algorithm.facts.answer_forms
        self.bytes = sum(tensor.nbytes for tensor in model.network.state_dict().values())
        super().__init__(model.prepare_decoded, model.predict_prepared, model.device, shared)

    @classmethod
    def load(cls, path: Path, shared: SharedResources) -> HostedModel:
        """Read a model folder, archive or run folder and answer a first image. Raises UserError."""
        return cls(load(path, shared.run), shared)

    async def answer(self, images: Sequence[EncodedImage], form: str) -> list[Answer]:
        """Return one answer for each image, as SageMaker's endpoints give it. A broken image disturbs no other."""
        return await self.predict(images, self._respond(form))

    def _pack(self, prepared: PreparedImage) -> None:
        if self._shared.settings.prepack and can_pack(self.model.device):
            with torch.inference_mode():
                fold_batch_norm(self.model.network)
                pack_convolutions(self.model.network, stack_images([prepared.pixels]))

    def _note_first(self, prediction: object, prepared: PreparedImage) -> None:
        self._respond(self.forms[0])(prediction, prepared.size_px)

    def _respond(self, form: str) -> Describe:
        names = self.model.class_names
        return lambda prediction, size_px: self.model.algorithm.respond(prediction, form, size_px, names)
