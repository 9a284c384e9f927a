"""How the progress of a run is shown: not at all, as SageMaker's log lines, or as a bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from vision.training.log_lines import BatchReport, EpochReport, LogLines, LogWriter
from vision.training.stopwatch import Stopwatch, Times

REDRAW_SECONDS = 0.2


@dataclass(frozen=True)
class Position:
    """Where a run stands: ``epoch`` of ``epochs``, counted from 0; ``batch`` of ``batches`` done in it."""

    epoch: int
    epochs: int
    batch: int
    batches: int

    @property
    def epochs_done(self) -> float:
        """Epochs done, with the share of the one under way."""
        return self.epoch + self.batch / max(1, self.batches)


@dataclass(frozen=True)
class Readings:
    """Reads loss and metrics of the epoch so far. Each call waits for the device: do not call it at every step.

    ``learning_rate`` is that of the next update, of the first parameters.
    """

    loss: Callable[[], float]
    metrics: Callable[[], Mapping[str, float]]
    learning_rate: Callable[[], float]


class Display:
    """Shows nothing; subclasses override what they show."""

    def run_started(self, position: Position) -> None:
        """Note that training starts or resumes at this position."""

    def step(self, position: Position, watch: Stopwatch, readings: Readings) -> None:
        """Note that another batch is done."""

    def validating(self, position: Position, times: Times, metrics: Mapping[str, float]) -> None:
        """Note that the epoch's batches are done and validation begins; metrics of training begin with ``train_``."""

    def validation_step(self, position: Position, watch: Stopwatch) -> None:
        """Note that another batch of the validation is done; ``batch`` of the position counts the validation's."""

    def validated(self, position: Position, times: Times, validation: Times, metrics: Mapping[str, float]) -> None:
        """Note the end of a validation; names of metrics begin with ``train_`` or ``validation_``.

        ``times`` are those of the epoch's training, ``validation`` those of the validation, whose batches the position
        counts.
        """

    def epoch_done(self, position: Position, times: Times) -> None:
        """Note the end of an epoch, after its model was written; the times are those of its training."""

    def model_saved(self, path: Path, best: float | None) -> None:
        """Note that the model was written; ``best`` is its score if it is the best so far."""

    def trained(self) -> None:
        """Note that the last epoch is over."""

    def run_ended(self) -> None:
        """Note that training is over, well or not. May be called twice."""


class LogDisplay(Display):
    """SageMaker's log lines, with one for every ``every_batches`` batches."""

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
            learning_rate=readings.learning_rate(),
        )
        self.writer.write(self.lines.batch(report))

    def validating(self, position: Position, times: Times, metrics: Mapping[str, float]) -> None:
        self.writer.write(self.lines.epoch_train(epoch_report(position, times, with_prefix(metrics, "train_"))))

    def validation_step(self, position: Position, watch: Stopwatch) -> None:
        if position.batch % self.every_batches == 0:
            speed = watch.lap().images_per_second
            self.writer.write(self.lines.validation_batch(position.epoch, position.batch, speed))

    def validated(self, position: Position, times: Times, validation: Times, metrics: Mapping[str, float]) -> None:
        report = epoch_report(position, validation, with_prefix(metrics, "validation_"))
        self.writer.write(self.lines.validation(report))

    def epoch_done(self, position: Position, times: Times) -> None:
        self.writer.write(self.lines.epoch_end(epoch_report(position, times, {})))

    def model_saved(self, path: Path, best: float | None) -> None:
        kept = [] if best is None else self.lines.best_model(best)
        self.writer.write([*kept, *self.lines.checkpoint(path)])

    def trained(self) -> None:
        self.writer.write(self.lines.end())


class BarDisplay(Display):
    """A bar, and a line for each finished epoch above it.

    It is drawn a few times a second; the loss, which waits for the device, is read every ``every_batches`` batches.
    """

    def __init__(self, console: Console, every_batches: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.console = console
        self.every_batches = every_batches
        self.clock = clock
        self._loss: float | None = None
        self._speed: Times = Times()
        self._began = self._drawn = 0.0
        self._began_at: Position | None = None
        self._has_saved = False
        # Drawn by hand: a thread of its own would take time from the training loop.
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[state]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1, state="", visible=False)

    def run_started(self, position: Position) -> None:
        self._began, self._began_at = self.clock(), position
        self._bar.start()

    def step(self, position: Position, watch: Stopwatch, readings: Readings) -> None:
        if position.batch % self.every_batches == 0 or self._loss is None:
            self._loss = readings.loss()
            self._speed = watch.lap()
        elif self.clock() - self._drawn < REDRAW_SECONDS and position.batch < position.batches:
            return
        self._draw(position, self._state(position))

    def validating(self, position: Position, times: Times, metrics: Mapping[str, float]) -> None:
        self._draw(position, "validating")

    def validated(self, position: Position, times: Times, validation: Times, metrics: Mapping[str, float]) -> None:
        self._loss = None
        self.console.print(Text(epoch_line(position, times, metrics, self.console.width)), soft_wrap=True)

    def model_saved(self, path: Path, best: float | None) -> None:
        if best is not None:
            # The path is the same every time.
            where = "" if self._has_saved else f" in {path}"
            self._has_saved = True
            self.console.print(Text(f"  best so far, model saved{where}", style="green"), soft_wrap=True)

    def run_ended(self) -> None:
        self._bar.stop()

    def _state(self, position: Position) -> str:
        speed = self._speed
        parts = [f"{speed.images_per_second:,.0f} images/s", f"data wait {speed.data_wait_share:.0%}"]
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4g}")
        left = self._seconds_left(position)
        if left is not None:
            parts.append(f"{clock_text(left)} left")
        return "  ".join(parts)

    def _seconds_left(self, position: Position) -> float | None:
        """Return the seconds left for the whole run, validation included, at the pace so far."""
        assert self._began_at is not None
        done = position.epochs_done - self._began_at.epochs_done
        if done <= 0:
            return None
        return (self.clock() - self._began) / done * (position.epochs - position.epochs_done)

    def _draw(self, position: Position, state: str) -> None:
        self._drawn = self.clock()
        self._bar.update(
            self._task,
            description=f"epoch {position.epoch + 1}/{position.epochs}",
            completed=position.batch,
            total=position.batches,
            state=state,
            visible=True,
        )
        self._bar.refresh()


def epoch_report(position: Position, times: Times, metrics: Mapping[str, float]) -> EpochReport:
    """Return the report of a position at the end of training or validation."""
    speed = times.images_per_second
    return EpochReport(position.epoch, position.epochs, position.batch, times.images, times.seconds, speed, metrics)


def epoch_line(position: Position, times: Times, metrics: Mapping[str, float], width: int) -> str:
    """Return the line of a finished epoch: its loss, first training and validation score, speed and time.

    On a terminal of few columns it is worded shorter, then says less.
    """
    train, validation = with_prefix(metrics, "train_"), with_prefix(metrics, "validation_")
    score = next(iter(validation), "")
    loss = [f"train loss {train['loss']:.4f}"] if "loss" in train else []
    trained = f"{train[score]:.4f}" if score in train else None
    validated = f"{validation[score]:.4f}" if validation else None
    digits = len(str(position.epochs))
    head = f"epoch {position.epoch + 1:{digits}d}/{position.epochs}"
    speed, wait = f"{times.images_per_second:,.0f} images/s", f"data wait {times.data_wait_share:.0%}"
    seconds = f"{times.seconds:.1f} s"
    full = [
        *([f"train {score} {trained}"] if trained else []),
        *([f"validation {score} {validated}"] if validated else []),
    ]
    short = [f"{score} {trained}", f"validation {validated}"] if trained else full
    forms = (
        [head, *loss, *full, speed, wait, seconds],
        [head, *loss, *short, speed, wait, seconds],
        [head, *loss, *short, speed, seconds],
        [head, *loss, *short, seconds],
        [head, *full[-1:], seconds],
    )
    lines = ["  ".join(parts) for parts in forms]
    return next((line for line in lines if len(line) <= width), lines[-1])


def clock_text(seconds: float) -> str:
    """Return seconds as a clock shows them: ``3725`` -> ``1:02:05``, ``95`` -> ``1:35``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def with_prefix(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    """Return the metrics whose name begins with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
