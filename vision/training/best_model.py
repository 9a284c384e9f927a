"""Keeps the model of the best epoch, or of every n-th one, as SageMaker's containers do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from vision.training.task import TrainingTask


class BestModel(pl.Callback):
    """Calls ``save(epoch, metrics, improved, regular)`` after each epoch whose model is to be kept.

    Kept is an epoch whose objective is strictly greater than all before (SageMaker contract: best model), and with
    ``kept_every_epochs`` every n-th epoch too. ``epoch`` counts from 1, as in MXNet's file names.
    """

    def __init__(
        self,
        metric: str,
        kept_every_epochs: int | None,
        save: Callable[[int, dict[str, float], bool, bool], None],
    ) -> None:
        self.metric = metric
        self.kept_every_epochs = kept_every_epochs
        self.save = save
        self.best = -math.inf
        self.best_epoch = 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingTask)
        if trainer.state.fn != "fit":
            return
        epoch = trainer.current_epoch + 1
        value = pl_module.epoch_metrics[f"validation_{self.metric}"]
        improved = value > self.best
        if improved:
            self.best, self.best_epoch = value, epoch
        regular = self.kept_every_epochs is not None and epoch % self.kept_every_epochs == 0
        if trainer.is_global_zero and (improved or regular):
            self.save(epoch, dict(pl_module.epoch_metrics), improved, regular)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.best_epoch = state_dict["best_epoch"]
