"""The moving average of weights: its rule, and who sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from tests.training.small_run import SmallRun
from vision.training.checkpoints import BestModel
from vision.training.weight_average import WeightAverage


def test_average_by_hand() -> None:
    """Decays (1 + n) / (10 + n), 2/11 and 3/12, then the given 0.3, as 4/13 is more. The weight: 0, 11, 22, 2."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, 0.3)
    for value in (11.0, 22.0, 2.0):
        network.weight.data.fill_(value)
        average.update()
    average.swap()
    assert network.weight.item() == pytest.approx(0.3 * ((9.0 * 3 + 22.0 * 9) / 12) + 0.7 * 2)
    average.swap()
    assert network.weight.item() == 2.0


class Weights(pl.Callback):
    """Notes the weight of the head after every update, and what a validation sees."""

    def __init__(self) -> None:
        self.trained: list[torch.Tensor] = []
        self.validated: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object) -> None:
        if trainer.global_step > len(self.trained):
            self.trained.append(pl_module.network.fc.weight.detach().clone())

    def on_validation_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object) -> None:
        self.validated.append(pl_module.network.fc.weight.detach().clone())


def test_validation_and_the_kept_model_see_the_average(tmp_path: Path) -> None:
    weights = Weights()
    run = SmallRun(tmp_path, callbacks=(weights,), run={"ema_decay": 0.5, "accumulate": 2}, epochs=1)
    saved: list[torch.Tensor] = []
    best = next(callback for callback in run.callbacks if isinstance(callback, BestModel))
    best.save = lambda *args: saved.append(run.task.network.fc.weight.detach().clone())
    start = run.task.network.fc.weight.detach().clone()
    end = run.train()["fc.weight"]
    # 6 batches are 3 updates, after which the decay is 2/11, 3/12 and 4/13.
    assert len(weights.trained) == 3
    expected = start
    for decay, weight in zip((2 / 11, 3 / 12, 4 / 13), weights.trained, strict=True):
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(weights.validated[0], expected)
    torch.testing.assert_close(saved[0], expected)
    # Training goes on from the latest.
    assert torch.equal(end, weights.trained[-1])
