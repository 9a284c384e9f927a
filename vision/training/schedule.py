"""The learning rate of every optimiser update.

Updates are numbered from 0. They are optimiser updates, not batches: with gradient accumulation one update
takes several batches. Nothing here asks the trainer for its length: reading
trainer.estimated_stepping_batches makes Lightning drop the loader's state on resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from vision.training.optimizer import rescale_momentum


def learning_rate_at(
    update: int, learning_rate: float, steps: tuple[int, ...], factor: float, warmup_updates: int = 0
) -> float:
    """The rate of one update: MXNet's MultiFactorScheduler after an optional linear warm-up of our own.

    ``steps`` are numbers of updates, updates_per_epoch * epoch for each epoch of lr_scheduler_step. The first
    update at ``learning_rate * factor`` is number ``steps[0]``, that is the first batch of that epoch.
    During the first ``warmup_updates`` the rate rises in equal steps; number ``warmup_updates - 1`` is the
    first at the full rate. ``learning_rate`` is the initial rate.
    """
    warmup = min(1.0, (update + 1) / warmup_updates) if warmup_updates else 1.0
    passed = sum(update >= step for step in steps)
    return learning_rate * warmup * factor**passed


class StepSchedule(LRScheduler):
    """Sets the rates of an optimizer by learning_rate_at. Call ``step`` once after each update (Lightning:
    interval "step").

    Every parameter group keeps its own initial rate (twice the rate for some biases, say). When the rate
    changes, momentum is corrected (see rescale_momentum). ``last_epoch``, the base class's name, counts
    updates.
    """

    def __init__(self, optimizer: Optimizer, *, steps: tuple[int, ...], factor: float, warmup_updates: int = 0) -> None:
        assert all(step >= 1 for step in steps)
        assert warmup_updates >= 0
        self.steps = steps
        self.factor = factor
        self.warmup_updates = warmup_updates
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        """The rate of each parameter group at the current update."""
        return [float(initial) * self._relative_rate() for initial in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Move to the next update."""
        assert epoch is None
        before = self._relative_rate()
        super().step()
        after = self._relative_rate()
        # A rate of 0 moves no weight, so whatever the velocity holds then has no effect.
        if after not in (0.0, before):
            rescale_momentum(self.optimizer, before / after)

    def state_dict(self) -> dict[str, Any]:
        """The number of the current update: all else follows from the settings."""
        return {"update": self.last_epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on at the saved update, at the rate of this schedule's own settings.

        The optimizer's state is loaded apart; its momentum was saved as it stood after the last ``step``.
        """
        self.last_epoch = int(state_dict["update"])
        self._step_count = self.last_epoch + 1
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def last_used_rate(self) -> float:
        """The first group's rate at the update before the current one: after an epoch, the rate it ended with."""
        return float(self.base_lrs[0]) * self._relative_rate(before=1)

    def _relative_rate(self, before: int = 0) -> float:
        # -1 is the base class's number before its own initial step.
        update = max(self.last_epoch - before, 0)
        return learning_rate_at(update, 1.0, self.steps, self.factor, self.warmup_updates)
