"""Measures the statistics of batch normalization before each validation, on the latest training batches.

In training each batch is normalized by its own statistics; an evaluation takes running averages, which lag behind
weights that still change fast. So early epochs of small data are evaluated far below what their weights can do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vision.data.collate import Batch
from vision.training.processes import average_over_processes
from vision.training.task import TrainingTask


class BatchNormStatistics(pl.Callback):
    """Keeps the images of the last ``count`` batches of an epoch, and measures on them what its validation needs.

    Statistics of frozen layers stay as they are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._images: deque[Tensor] = deque(maxlen=count)
        self._measured: list[_BatchNorm] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        if batch_idx + self.count >= trainer.num_training_batches:
            self._images.append(batch.images)
            norms = [one for one in pl_module.modules() if isinstance(one, _BatchNorm) and one.track_running_stats]
            self._measured = [norm for norm in norms if norm.training]

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        assert isinstance(pl_module, TrainingTask)
        with trainer.precision_plugin.forward_context():
            measure_statistics(
                pl_module.network,
                [pl_module.in_memory_format(images.to(pl_module.device)) for images in self._images],
                self._measured,
            )
        self._images.clear()

    def state_dict(self) -> dict[str, Any]:
        return {"images": [images.cpu() for images in self._images]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._images.extend(state_dict["images"])


@torch.no_grad()
def measure_statistics(network: nn.Module, batches: Sequence[Tensor], norms: Sequence[_BatchNorm]) -> None:
    """Replace the running statistics of ``norms`` by the means of those of all processes' ``batches`` of images.

    Norms that are at work in training only keep theirs. All else is as in an evaluation, so that no random number is
    drawn.
    """
    modes = {module: module.training for module in network.modules()}
    before = [(norm, norm.momentum, {name: value.clone() for name, value in norm.named_buffers()}) for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        # Every batch counts the same.
        norm.momentum = None
    for images in batches:
        network(images)
    for norm, momentum, buffers in before:
        norm.momentum = momentum
        assert norm.num_batches_tracked is not None
        if not norm.num_batches_tracked:
            for name, value in norm.named_buffers():
                value.copy_(buffers[name])
        else:
            # Each process has seen batches of its own.
            average_over_processes(value for value in (norm.running_mean, norm.running_var) if value is not None)
        norm.num_batches_tracked.copy_(buffers["num_batches_tracked"])
    for module, mode in modes.items():
        module.training = mode
