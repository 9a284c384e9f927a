"""A model that was read from a folder or an archive."""

from __future__ import annotations

from pathlib import Path

from pydantic import PrivateAttr
from torch import Tensor

from vision.artifacts.model_description import MODEL_JSON, ModelFile, WeightsFile
from vision.artifacts.weights import check_weights, read_weights
from vision.settings.errors import UserError


class StoredModel(ModelFile):
    """A model that was read and checked; its weights are read when they are asked for."""

    _folder: Path = PrivateAttr()
    _shown: str = PrivateAttr()
    _max_bytes: int = PrivateAttr()

    @classmethod
    def open(cls, folder: Path, shown: str, max_bytes: int) -> StoredModel:
        """Read model.json of ``folder`` and check the weights of the model in use.

        ``shown`` names the folder in sentences. ``max_bytes`` bounds a weights file.
        """
        try:
            model = cls.read(folder / MODEL_JSON, f"{shown}/{MODEL_JSON}")
            model._folder, model._shown, model._max_bytes = folder, shown, max_bytes
            model._check(model.weights)
        except OSError as error:
            raise UserError(f"{shown} cannot be read: {error}") from error
        return model

    def state_dict(self, epoch: int | None = None) -> dict[str, Tensor]:
        """Tensors by name, on the CPU: of the model in use, or of a kept epoch. Shapes are not checked."""
        weights = self.weights
        if epoch is not None and epoch != self.epoch:
            kept = {checkpoint.epoch: checkpoint.weights for checkpoint in self.checkpoints}
            if epoch not in kept:
                epochs = ", ".join(map(str, sorted({*kept, self.epoch})))
                raise UserError(f"{self._shown} has no weights of epoch {epoch}; it has those of {epochs}")
            weights = kept[epoch]
            self._check(weights)
        return read_weights(self._folder / weights.name, f"{self._shown}/{weights.name}")

    def _check(self, weights: WeightsFile) -> None:
        path = self._folder / weights.name
        check_weights(path, weights.sha256, self._max_bytes, f"{self._shown}/{weights.name}")
