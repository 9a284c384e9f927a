"""Tries learning rates, from low to high in one short training, and finds the one to train with (Smith 2017).

As long as the rate is too low the loss stays, then it falls, and beyond the network's limit it rises steeply.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl

from vision.training.task import TrainingTask

_SMOOTHING = 0.98
# The loss over its lowest at which there is nothing more to learn from higher rates.
_ENDS_AT = 4.0
_FEWEST_RATES = 10
# Losses that are compared by their mean: of noise alone, one curve in twenty falls clearly.
_COMPARED = 15
# The first rates, whose average is one of few losses, and the last, at which the loss may explode, as fastai has it.
_SKIPPED_SHARE, _SKIPPED_AT_END = 10, 5


@dataclass(frozen=True)
class RateCurve:
    """The loss at each rate: ``rates`` float64 [n] ascending, ``losses`` float64 [n] of single batches."""

    rates: np.ndarray
    losses: np.ndarray

    @property
    def smooth_losses(self) -> np.ndarray:
        """The exponential average of the losses, float64 [n], corrected for its start at 0."""
        average, found = 0.0, []
        for count, loss in enumerate(self.losses.tolist(), start=1):
            average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
            found.append(average / (1 - _SMOOTHING**count))
        return np.array(found)

    @property
    def suggestion(self) -> float | None:
        """The rate in the middle of the longest fall of the smooth loss; None if it does not fall clearly.

        That is the rule "valley" of fastai: there the loss has fallen for long, and the rates at which it rises are
        far. A fall is clear that is larger than the losses of single batches scatter.
        """
        kept = slice(len(self.losses) // _SKIPPED_SHARE, len(self.losses) - _SKIPPED_AT_END)
        smooth, rates = self.smooth_losses[kept], self.rates[kept]
        if len(smooth) < _FEWEST_RATES:
            return None
        means = np.convolve(self.losses, np.full(_COMPARED, 1 / _COMPARED), "valid")
        lowest = int(np.argmin(means))
        scatter = float(np.std(np.diff(self.losses[: lowest + _COMPARED]))) / math.sqrt(2)
        if means[0] - means[lowest] <= scatter:
            return None
        end, length = _longest_fall(smooth)
        return float(f"{rates[end - length // 2]:.2g}")


def _longest_fall(values: np.ndarray) -> tuple[int, int]:
    """Return where the longest falling subsequence of ``values`` first ends, and its length."""
    lowest_ends: list[float] = []
    end = 0
    for place, value in enumerate(values.tolist()):
        length = bisect.bisect_left(lowest_ends, -value)
        if length == len(lowest_ends):
            lowest_ends.append(-value)
            end = place
        else:
            lowest_ends[length] = -value
    return end, len(lowest_ends)


class RangeTried(Exception):
    """All rates were tried, or the loss has risen so far that higher ones say nothing."""


class RateRange(pl.Callback):
    """Raises the rate from ``low`` to ``high`` in equal ratios, one update at each, then raises RangeTried."""

    def __init__(self, low: float, high: float, updates: int) -> None:
        assert 0 < low < high
        assert updates > 1
        self._planned = low * (high / low) ** (np.arange(updates) / (updates - 1))
        self._losses: list[list[float]] = [[]]

    @property
    def curve(self) -> RateCurve:
        """The rates tried so far."""
        losses = [float(np.mean(found)) for found in self._losses if found]
        return RateCurve(self._planned[: len(losses)], np.array(losses))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, TrainingTask)
        # Some parameters have a multiple of the rate.
        share = self._planned[trainer.global_step] / pl_module.hyperparameters.learning_rate
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * share

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, TrainingTask)
        assert pl_module.last_loss is not None
        loss = float(pl_module.last_loss)
        if math.isfinite(loss):
            self._losses[-1].append(loss)
        if trainer.global_step == len(self._losses):
            # The update is made: the next loss is one of the next rate.
            self._losses.append([])
            smooth = self.curve.smooth_losses
            has_ended = len(smooth) >= _FEWEST_RATES and smooth[-1] > _ENDS_AT * smooth.min()
            if has_ended or trainer.global_step == len(self._planned):
                raise RangeTried
        if not math.isfinite(loss):
            raise RangeTried
