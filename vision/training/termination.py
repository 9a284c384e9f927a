"""Ends a run in good order when it is told to: SIGTERM (the platform, `kill`), SIGINT (Ctrl-C) or SIGHUP (the
terminal is gone)."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

import pytorch_lightning as pl

from vision.training.checkpoints import Checkpoints
from vision.training.processes import EndSignal, told_to_end

VALIDATION_GRACE_S = 60.0
AGREE_EVERY_STEPS = 5


class Terminated(Exception):
    """The run was told to end and has saved its state. ``status`` is the exit status that shells expect."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"ended by {signal.Signals(signum).name}")

    @property
    def status(self) -> int:
        return 128 + self.signum


class Termination(pl.Callback):
    """Saves a checkpoint after the batch under way, then raises Terminated.

    Lightning by itself would end such a run with status 0, which a platform takes for success. A signal during
    validation waits for its end, so that the trained epoch is not lost, but no longer than a minute. Several processes
    end together: every few steps they ask each other whether one has received a signal.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.received: int | None = None
        self._received_at_s = 0.0
        self._terminal: list[int] = []
        self._signal = EndSignal()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning has put its own handlers in place by now, and restores the earlier ones when it ends.
        for signum in self.SIGNALS:
            # `nohup` says that SIGHUP means nothing to the run.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._receive)
        self._terminal = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.received is not None and signum == signal.SIGINT:
            raise KeyboardInterrupt
        if signum == signal.SIGHUP:
            # Whatever is printed to a terminal that is gone fails, and would end the run before it has saved.
            for descriptor in self._terminal:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
        self.received = signum
        self._received_at_s = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if not self.checkpoints.between_updates(trainer, batch_idx):
            return
        if trainer.world_size > 1 and batch_idx % AGREE_EVERY_STEPS:
            return
        heard = self._signal.ask(self.received)
        if heard is not None:
            self.received = heard
            self.checkpoints.save(trainer)
            raise Terminated(heard)

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.world_size > 1:
            return
        if self.received is not None and time.monotonic() - self._received_at_s > VALIDATION_GRACE_S:
            raise Terminated(self.received)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Comes after Checkpoints in the list of callbacks, which has saved the epoch.
        self.received = told_to_end(self.received)
        if self.received is not None:
            raise Terminated(self.received)
