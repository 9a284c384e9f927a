"""The lines that SageMaker's own containers print, which its metric regexes and people's scripts read.

An algorithm hands out one ``LogLines``; the trainer calls it without knowing which.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

JSON_LINE = "#metrics "


@dataclass(frozen=True)
class BatchReport:
    """Where an epoch stands. ``epoch`` counts from 0, ``batches`` and ``images`` are those of this epoch.

    ``images_per_second`` is the speed since the last such report, ``seconds`` the time since the epoch began,
    ``metrics`` what the epoch has reached so far, by name without prefix, ``learning_rate`` the next update's.
    """

    epoch: int
    batches: int
    images: int
    images_per_second: float
    seconds: float
    metrics: Mapping[str, float]
    learning_rate: float


@dataclass(frozen=True)
class EpochReport:
    """The training or the validation of an epoch, counted from 0, out of ``epochs``; metrics by name without prefix.

    ``batches`` and ``images`` are those that it saw.
    """

    epoch: int
    epochs: int
    batches: int
    images: int
    seconds: float
    images_per_second: float
    metrics: Mapping[str, float]


class LogLines(ABC):
    """One algorithm's lines, without the prefix that ``LogWriter`` adds."""

    @abstractmethod
    def parameters(self) -> list[str]:
        """Return the lines printed once before the first epoch."""

    @abstractmethod
    def batch(self, report: BatchReport) -> list[str]:
        """Return the lines printed every ``run.log_every_steps`` batches."""

    @abstractmethod
    def epoch_train(self, report: EpochReport) -> list[str]:
        """Return the lines printed after an epoch's last batch."""

    def validation_batch(self, epoch: int, batches: int, images_per_second: float) -> list[str]:
        """Return the lines printed every ``run.log_every_steps`` batches of a validation."""
        return []

    @abstractmethod
    def validation(self, report: EpochReport) -> list[str]:
        """Return the lines printed after the validation of an epoch."""

    def epoch_end(self, report: EpochReport) -> list[str]:
        """Return the lines printed when an epoch is over and its model is written; the report is the training's."""
        return []

    def end(self) -> list[str]:
        """Return the lines printed after the last epoch."""
        return []

    @abstractmethod
    def best_model(self, score: float) -> list[str]:
        """Return the lines printed when an epoch is the best so far by the algorithm's objective."""

    def checkpoint(self, path: Path | str) -> list[str]:
        """Return the lines printed when a model has been written."""
        return [f'Saved checkpoint to "{path}"']


class LogWriter:
    """Writes lines with SageMaker's prefix ``[MM/DD/YYYY HH:MM:SS INFO pid]`` and flushes at once.

    Lines of JSON, which begin with ``#metrics``, have no prefix there.
    """

    def __init__(self, stream: TextIO, now: Callable[[], datetime] = datetime.now) -> None:
        self.stream = stream
        self.now = now

    def write(self, lines: Iterable[str]) -> None:
        """Write each line on a line of its own, whatever a value in it contains."""
        prefix = f"[{self.now():%m/%d/%Y %H:%M:%S} INFO {os.getpid()}] "
        for line in lines:
            # A path or name with a line break must not forge a metric line.
            whole = " ".join(line.splitlines())
            print(whole if whole.startswith(JSON_LINE) else prefix + whole, file=self.stream)
        self.stream.flush()
