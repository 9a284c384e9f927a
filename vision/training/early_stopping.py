"""Early stopping: ends training when the validation metric no longer rises."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.learning import LearningSettings
from vision.training.task import TrainingTask

log = logging.getLogger(__name__)


class EarlyStopping:
    """SageMaker's rule for ``early_stopping``, on one metric where more is better.

    An epoch has improved when (new - best) / best reaches ``tolerance``; ``best`` is the highest value of any
    epoch before, so that many gains too small to count never add up to one that counts. An exact tie has not
    improved, even with tolerance 0: a network that learns nothing repeats its accuracy for ever, and the best
    model too is replaced on a strictly greater value only. Over a best of 0 any gain counts. A NaN has not
    improved and never becomes the best.

    ``min_epochs`` epochs always run, though epochs without improvement are counted from the first.
    ``patience`` is how many of them in a row end training. ``tolerance`` is a share of the best, 0..1.
    """

    def __init__(self, min_epochs: int, patience: int, tolerance: float) -> None:
        assert min_epochs >= 1
        assert patience >= 1
        assert tolerance >= 0
        self.min_epochs = min_epochs
        self.patience = patience
        self.tolerance = tolerance
        self.best: float | None = None
        self.epochs = 0
        self.epochs_without_improvement = 0

    def update(self, value: float) -> bool:
        """Take the metric of one more finished epoch and return whether training should end now."""
        self.epochs += 1
        if self._has_improved(value):
            self.epochs_without_improvement = 0
        else:
            self.epochs_without_improvement += 1
        if not math.isnan(value) and (self.best is None or value > self.best):
            self.best = value
        return self.epochs >= self.min_epochs and self.epochs_without_improvement >= self.patience

    def _has_improved(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        gain = value - self.best
        if self.best == 0:
            return gain > 0
        return gain > 0 and gain / abs(self.best) >= self.tolerance

    def state_dict(self) -> dict[str, float | int | None]:
        """Return what has been seen so far, without the three settings."""
        return {
            "best": self.best,
            "epochs": self.epochs,
            "epochs_without_improvement": self.epochs_without_improvement,
        }

    def load_state_dict(self, state: Mapping[str, float | int | None]) -> None:
        """Continue from what ``state_dict`` returned."""
        best, epochs, waited = state["best"], state["epochs"], state["epochs_without_improvement"]
        assert epochs is not None
        assert waited is not None
        self.best = best
        self.epochs = int(epochs)
        self.epochs_without_improvement = int(waited)


def stopping_rule(given: TrainingHyperparameters, learning: LearningSettings) -> EarlyStopping | None:
    """Return the rule that the settings ask for, None if training goes on to its last epoch."""
    if learning.patience is not None:
        return EarlyStopping(1, learning.patience, 0.0)
    if not given.early_stopping:
        return None
    return EarlyStopping(given.early_stopping_min_epochs, given.early_stopping_patience, given.early_stopping_tolerance)


class StopEarly(pl.Callback):
    """Applies the rule to the validation metric after each epoch. A run that had stopped stays stopped when resumed."""

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
            if trainer.is_global_zero:
                # Said as a warning, so that a short history surprises nobody.
                log.warning(
                    "training ends early, after %d of %s epochs: %d in a row without a gain in validation %s",
                    self.rule.epochs,
                    trainer.max_epochs,
                    self.rule.epochs_without_improvement,
                    self.metric,
                )

    def state_dict(self) -> dict[str, Any]:
        return {"rule": self.rule.state_dict(), "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rule.load_state_dict(state_dict["rule"])
        self.ended = state_dict["ended"]
