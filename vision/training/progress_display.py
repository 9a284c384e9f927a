"""How the progress of a run is shown: not at all, as SageMaker's log lines, or (progress_bar.py) as a bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vision.training.log_lines import BatchReport, EpochReport, LogLines, LogWriter
from vision.training.stopwatch import Stopwatch, Times


@dataclass(frozen=True)
class Position:
    """Where a run stands: ``epoch`` of ``epochs``, counted from 0; ``batch`` of ``batches`` done in it."""

    epoch: int
    epochs: int
    batch: int
    batches: int

    @property
    def epochs_done(self) -> float:
        """Epochs and parts of epochs behind us."""
        return self.epoch + self.batch / max(1, self.batches)


@dataclass(frozen=True)
class Readings:
    """What can be asked about the epoch so far. Each call waits for the device, so not for every step."""

    loss: Callable[[], float]
    metrics: Callable[[], Mapping[str, float]]


class Display:
    """Shows nothing; the others override what they show."""

    def run_started(self, position: Position) -> None:
        """Training begins, or goes on, here."""

    def step(self, position: Position, watch: Stopwatch, readings: Readings) -> None:
        """One more batch is done."""

    def validating(self, position: Position) -> None:
        """The epoch's batches are done and validation begins."""

    def epoch_done(self, position: Position, times: Times, metrics: Mapping[str, float]) -> None:
        """An epoch and its validation are over; metrics begin with ``train_`` or ``validation_``."""

    def model_saved(self, path: Path, best: float | None) -> None:
        """The model was written; ``best`` is its score if it is the best so far."""

    def run_ended(self) -> None:
        """Training is over, well or not. May be called twice."""


class LogDisplay(Display):
    """SageMaker's log lines, a batch line every so many batches."""

    def __init__(self, lines: LogLines, writer: LogWriter, every_batches: int) -> None:
        self.lines = lines
        self.writer = writer
        self.every_batches = every_batches

    def run_started(self, position: Position) -> None:
        self.writer.write(self.lines.parameters())

    def step(self, position: Position, watch: Stopwatch, readings: Readings) -> None:
        if position.batch % self.every_batches:
            return
        metrics = readings.metrics()
        times = watch.times()
        report = BatchReport(
            epoch=position.epoch,
            batches=position.batch,
            images=times.images,
            images_per_second=watch.lap().images_per_second,
            seconds=times.seconds,
            metrics=metrics,
        )
        self.writer.write(self.lines.batch(report))

    def epoch_done(self, position: Position, times: Times, metrics: Mapping[str, float]) -> None:
        train, validation = with_prefix(metrics, "train_"), with_prefix(metrics, "validation_")
        report = EpochReport(position.epoch, position.epochs, times.seconds, times.images_per_second, train)
        self.writer.write([*self.lines.epoch_train(report), *self.lines.validation(position.epoch, validation)])

    def model_saved(self, path: Path, best: float | None) -> None:
        kept = [] if best is None else self.lines.best_model(best)
        self.writer.write([*kept, *self.lines.checkpoint(path)])


def with_prefix(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The metrics whose name begins so, without that beginning."""
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
