"""The learning rate of every optimizer update, by named schedules.

Updates are numbered from 0. They are optimizer updates, not batches: with gradient accumulation one update
takes several batches. Nothing here asks the trainer for its length: reading
trainer.estimated_stepping_batches makes Lightning drop the loader's state on resume.

A schedule is added here alone: a class and its entry in ``SCHEDULES``, which hyperparameters name.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from vision.settings.hyperparameters import StepScheduleHyperparameters, TrainingHyperparameters
from vision.settings.learning import LearningSettings
from vision.training.optimizer import reads_rate, rescale_momentum


class Schedule(LRScheduler):
    """Sets the rates of an optimizer. Call ``step`` once after each update (Lightning: interval "step").

    Every parameter group keeps its own initial rate (twice the rate for some biases, say), which is multiplied by
    ``factor_at`` and by an optional linear warm-up of our own: during the first ``warmup_updates`` the rate rises in
    equal steps; number ``warmup_updates - 1`` is the first at the full rate. When the rate changes, momentum is
    corrected (see rescale_momentum) where ``corrects_momentum`` says so. ``last_epoch``, the base class's name, counts
    updates.
    """

    corrects_momentum = True

    def __init__(self, optimizer: Optimizer, *, warmup_updates: int = 0) -> None:
        assert warmup_updates >= 0
        self.warmup_updates = warmup_updates
        super().__init__(optimizer)

    @classmethod
    @abstractmethod
    def of(
        cls, optimizer: Optimizer, given: TrainingHyperparameters, updates_per_epoch: int, warmup_updates: int
    ) -> Self:
        """Return the schedule of these hyperparameters."""

    @abstractmethod
    def factor_at(self, update: int) -> float:
        """Return the rate of an update over the initial one, without the warm-up."""

    def get_lr(self) -> list[Any]:
        """Return the rate of each parameter group at the current update."""
        return [float(initial) * self._relative_rate() for initial in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Move to the next update."""
        assert epoch is None
        before = self._relative_rate()
        super().step()
        after = self._relative_rate()
        # A rate of 0 moves no weight, so whatever the velocity holds then has no effect.
        if self.corrects_momentum and after not in (0.0, before):
            rescale_momentum(self.optimizer, before / after)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of the current update: all else follows from the settings."""
        return {"update": self.last_epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue at the saved update, at the rate of this schedule's own settings.

        The optimizer's state is loaded apart; its momentum was saved as it stood after the last ``step``.
        """
        self.last_epoch = int(state_dict["update"])
        self._step_count = self.last_epoch + 1
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def last_used_rate(self) -> float:
        """Return the first group's rate at the update before the current one: after an epoch, the one it ended with."""
        return float(self.base_lrs[0]) * self._relative_rate(before=1)

    def _relative_rate(self, before: int = 0) -> float:
        # -1 is the base class's number before its own initial step.
        update = max(self.last_epoch - before, 0)
        warmup = min(1.0, (update + 1) / self.warmup_updates) if self.warmup_updates else 1.0
        return warmup * self.factor_at(update)


class ConstantSchedule(Schedule):
    """The initial rate throughout; also for optimizers that have none."""

    @classmethod
    def of(
        cls, optimizer: Optimizer, given: TrainingHyperparameters, updates_per_epoch: int, warmup_updates: int
    ) -> Self:
        return cls(optimizer, warmup_updates=warmup_updates)

    def factor_at(self, update: int) -> float:
        return 1.0


class StepSchedule(Schedule):
    """MXNet's MultiFactorScheduler: the rate is multiplied by ``factor`` at each of ``steps``.

    ``steps`` are numbers of updates, updates_per_epoch * epoch for each epoch of lr_scheduler_step. The first
    update at the initial rate * factor is number ``steps[0]``, that is the first batch of that epoch.
    """

    def __init__(self, optimizer: Optimizer, *, steps: tuple[int, ...], factor: float, warmup_updates: int = 0) -> None:
        assert all(step >= 1 for step in steps)
        self.steps = steps
        self.factor = factor
        super().__init__(optimizer, warmup_updates=warmup_updates)

    @classmethod
    def of(
        cls, optimizer: Optimizer, given: TrainingHyperparameters, updates_per_epoch: int, warmup_updates: int
    ) -> Self:
        assert isinstance(given, StepScheduleHyperparameters)
        steps = tuple(epoch * updates_per_epoch for epoch in given.lr_scheduler_step)
        return cls(optimizer, steps=steps, factor=given.lr_scheduler_factor, warmup_updates=warmup_updates)

    def factor_at(self, update: int) -> float:
        return self.factor ** sum(update >= step for step in self.steps)


class WholeRunSchedule(Schedule):
    """A rate that falls at every update until it is 0 at ``last_update``, and stays there."""

    def __init__(self, optimizer: Optimizer, *, last_update: int, warmup_updates: int = 0) -> None:
        assert last_update >= 0
        self.last_update = last_update
        super().__init__(optimizer, warmup_updates=warmup_updates)

    @classmethod
    def of(
        cls, optimizer: Optimizer, given: TrainingHyperparameters, updates_per_epoch: int, warmup_updates: int
    ) -> Self:
        last_update = updates_per_epoch * given.epochs - 1
        return cls(optimizer, last_update=last_update, warmup_updates=warmup_updates)

    def factor_at(self, update: int) -> float:
        # A run of a single update has it at the full rate.
        return self.factor_after(min(update / self.last_update, 1.0)) if self.last_update else 1.0

    @abstractmethod
    def factor_after(self, share: float) -> float:
        """Return the rate over the initial one after that share of the run, 0..1."""


class PolySchedule(WholeRunSchedule):
    """Gluon CV's "poly": what is left of the run, to the power of 0.9."""

    def factor_after(self, share: float) -> float:
        return (1.0 - share) ** 0.9


class CosineSchedule(WholeRunSchedule):
    """Gluon CV's "cosine": half a wave, from 1 to 0."""

    def factor_after(self, share: float) -> float:
        return (1.0 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": ConstantSchedule,
    "step": StepSchedule,
    "poly": PolySchedule,
    "cosine": CosineSchedule,
}


def build_schedule(
    optimizer: Optimizer, given: TrainingHyperparameters, updates_per_epoch: int, learning: LearningSettings
) -> Schedule:
    """Return the schedule that the settings name; an optimizer without a rate has a constant one."""
    if not reads_rate(given.optimizer):
        return ConstantSchedule(optimizer)
    name = given.schedule if learning.schedule == "auto" else learning.schedule
    warmup_updates = round(learning.warmup_epochs * updates_per_epoch)
    schedule = SCHEDULES[name].of(optimizer, given, updates_per_epoch, warmup_updates)
    schedule.corrects_momentum = learning.momentum_correction
    return schedule
