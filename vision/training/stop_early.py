"""Ends training by SageMaker's early-stopping rule."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from vision.training.early_stopping import EarlyStopping
from vision.training.task import TrainingTask


class StopEarly(pl.Callback):
    """Feeds the validation metric to the rule after each epoch; a resumed run that had ended does not go on."""

    def __init__(self, metric: str, rule: EarlyStopping) -> None:
        self.metric = metric
        self.rule = rule
        self.ended = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = self.ended

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingTask)
        if trainer.state.fn == "fit" and self.rule.update(pl_module.epoch_metrics[f"validation_{self.metric}"]):
            self.ended = True
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"rule": self.rule.state_dict(), "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rule.load_state_dict(state_dict["rule"])
        self.ended = state_dict["ended"]
