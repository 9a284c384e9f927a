"""The exponential moving average of a network's weights, which is evaluated and kept in place of the latest ones."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from vision.training.task import TrainingTask

_FIRST_UPDATES = 10


class WeightAverage:
    """average = decay * average + (1 - decay) * weight after each update, of parameters and floating-point buffers.

    ``decay`` is 0..1. It begins lower, (1 + n) / (10 + n) at update n from 1, so that a short run is not an average of
    its first weights (as TensorFlow's ExponentialMovingAverage has it).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._network = network
        self._averages = [tensor.clone() for tensor in self._followed().values()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an update."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (_FIRST_UPDATES + self.updates))
        torch._foreach_lerp_(self._averages, list(self._followed().values()), 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and their averages."""
        for tensor, average in zip(self._followed().values(), self._averages, strict=True):
            latest = tensor.clone()
            tensor.copy_(average)
            average.copy_(latest)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages by name, on the CPU, and how many updates they hold."""
        averages = dict(zip(self._followed(), (one.cpu() for one in self._averages), strict=True))
        return {"updates": self.updates, "averages": averages}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.updates = state["updates"]
        for name, average in zip(self._followed(), self._averages, strict=True):
            average.copy_(state["averages"][name])

    def _followed(self) -> dict[str, Tensor]:
        return {name: one.detach() for name, one in self._network.state_dict().items() if one.is_floating_point()}


class AverageWeights(pl.Callback):
    """Lets validation and the callbacks before this one see the averaged weights, and training the latest."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: WeightAverage | None = None
        self._resumed: dict[str, Any] | None = None
        self._seen_updates = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingTask)
        self.average = WeightAverage(pl_module.network, self.decay)
        if self._resumed is not None:
            self.average.load_state_dict(self._resumed)
        self._seen_updates = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        # Accumulated batches bring an update now and then only.
        if self.average is not None and trainer.global_step != self._seen_updates:
            self._seen_updates = trainer.global_step
            self.average.update()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and self.average is not None:
            self.average.swap()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and self.average is not None:
            self.average.swap()

    def state_dict(self) -> dict[str, Any]:
        return {} if self.average is None else self.average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._resumed = state_dict
