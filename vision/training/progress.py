"""Times each epoch and reports progress: metrics of speed, log lines or a bar."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, TextIO, cast

import pytorch_lightning as pl
from rich.console import Console
from torch import Tensor

from vision.data.collate import Batch
from vision.training.log_lines import LogLines, LogWriter
from vision.training.progress_display import BarDisplay, Display, LogDisplay, Position, Readings
from vision.training.stopwatch import Stopwatch, gaps_of

Mode = Literal["auto", "bar", "plain", "none"]


class WatchedTask(Protocol):
    """What is read from the module in training. ``epoch_metrics`` also takes the times of the epoch."""

    images_per_step: int
    last_loss: Tensor | None
    epoch_metrics: dict[str, float]

    def running_metrics(self) -> Mapping[str, float]:
        """Return the metrics of the epoch so far, without prefix."""


log = logging.getLogger(__name__)


class Progress(pl.Callback):
    """Measures the epochs and shows the run; stands before the callbacks that read ``epoch_metrics``.

    ``auto`` makes the display of the mode ``auto`` where a caller has one of its own.
    Adds ``images_per_second``, ``data_wait_share`` (0..1) and ``seconds`` (of training, without validation) to the
    metrics of each epoch.
    """

    def __init__(
        self,
        lines: LogLines,
        mode: Mode,
        every_batches: int,
        *,
        auto: Callable[[], Display] | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.watch = Stopwatch()
        self.validation_watch = Stopwatch()
        self.validation_batches = 0
        self._make_display = lambda: make_display(lines, mode, every_batches, out or sys.stdout, err or sys.stderr)
        if auto is not None and mode == "auto":
            self._make_display = auto
        self.display = Display()
        # False after training means that a resumed run had nothing left to do.
        self.has_begun = False

    def model_saved(self, path: Path, best: float | None) -> None:
        """Report that the model was written; ``best`` is its score if it is the best so far."""
        self.display.model_saved(path, best)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.watch = Stopwatch(gaps=gaps_of(trainer.strategy.root_device))
        if trainer.is_global_zero:
            self.display = self._make_display()
        self.has_begun = True
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed % max(1, int(trainer.num_training_batches))
        begun = _position(trainer, done)
        if trainer.is_global_zero and trainer.ckpt_path:
            # Said as a warning, so that it is seen wherever nobody has asked for more.
            log.warning(
                "the run goes on: epochs %d to %d (counted from 0), from batch %d of %d",
                begun.epoch,
                begun.epochs - 1,
                begun.batch,
                begun.batches,
            )
        self.display.run_started(begun)
        # A run that resumes inside an epoch does not start that epoch again.
        self.watch.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.watch.start()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        self.watch.batch_ready()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        task = _watched(pl_module)
        self.watch.batch_done(task.images_per_step)
        self.display.step(_position(trainer, batch_idx + 1), self.watch, _readings(task, trainer))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if _in_training(trainer):
            # Reading the loss waits until the device has caught up, so that the epoch's time is true.
            _readings(_watched(pl_module), trainer).loss()
            self.watch.stop()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if _in_training(trainer):
            times = self.watch.times()
            _watched(pl_module).epoch_metrics.update(
                images_per_second=times.images_per_second,
                data_wait_share=times.data_wait_share,
                seconds=times.seconds,
            )
            position = _position(trainer, int(trainer.num_training_batches))
            self.display.validating(position, times, _watched(pl_module).epoch_metrics)
            self.validation_watch.start()
            self.validation_batches = 0

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if _in_training(trainer):
            # Every process validates its share.
            self.validation_watch.batch_done(len(batch.indices) * trainer.world_size)
            self.validation_batches = batch_idx + 1
            self.display.validation_step(_position(trainer, self.validation_batches), self.validation_watch)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if _in_training(trainer):
            position = _position(trainer, self.validation_batches)
            validation = self.validation_watch.stop()
            self.display.validated(position, self.watch.times(), validation, _watched(pl_module).epoch_metrics)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.display.epoch_done(_position(trainer, int(trainer.num_training_batches)), self.watch.times())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.display.trained()
        self.display.run_ended()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.display.run_ended()


def make_display(lines: LogLines, mode: Mode, every_batches: int, out: TextIO, err: TextIO) -> Display:
    """Return the display for a mode: ``auto`` is a bar on a terminal and log lines elsewhere.

    Log lines go to ``out``, where SageMaker reads them, and a bar to whichever of the two is a terminal.
    """
    terminal = next((stream for stream in (err, out) if stream.isatty()), None)
    if mode == "none":
        return Display()
    if mode == "plain" or (mode == "auto" and terminal is None):
        return LogDisplay(lines, LogWriter(out), every_batches)
    console = Console(file=terminal or err, highlight=False)
    return BarDisplay(console, every_batches)


# Modules whose warnings of their own old age are for their authors, not for who trains with them.
_LIBRARIES = r"(pytorch_lightning|lightning_fabric|lightning_utilities|torch|torchmetrics|torchvision)(\.|$)"


def quiet_lightning() -> None:
    """Silence Lightning's product tips, device listings and advice on loaders, and what libraries call deprecated.

    Its other warnings and its errors stay.
    """
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=_LIBRARIES)
    warnings.filterwarnings("ignore", message="(?is).*deprecated", module=_LIBRARIES)
    for name in ("utilities.rank_zero", "trainer.connectors.checkpoint_connector"):
        logging.getLogger(f"pytorch_lightning.{name}").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Our metrics are already those of all processes.
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    # Batch normalization that is frozen.
    warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode at the start of training")
    # The schedule counts an update that float16's scaler leaves out, were it the first.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")


def _in_training(trainer: pl.Trainer) -> bool:
    """Return whether a validation belongs to an epoch of training."""
    return trainer.state.fn == "fit" and not trainer.sanity_checking


def _position(trainer: pl.Trainer, batch: int) -> Position:
    return Position(trainer.current_epoch, int(trainer.max_epochs or 0), batch, int(trainer.num_training_batches))


def _readings(task: WatchedTask, trainer: pl.Trainer) -> Readings:
    return Readings(
        loss=lambda: float("nan") if task.last_loss is None else float(task.last_loss),
        metrics=task.running_metrics,
        learning_rate=lambda: float(trainer.optimizers[0].param_groups[0]["lr"]),
    )


def _watched(pl_module: pl.LightningModule) -> WatchedTask:
    return cast("WatchedTask", pl_module)
