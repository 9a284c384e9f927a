"""Log lines and the bar as a run goes by, and how seldom they ask the device."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from vision.algorithms.image_classification.log_lines import ClassificationLogLines
from vision.training.log_lines import LogWriter
from vision.training.progress_display import (
    BarDisplay,
    Display,
    LogDisplay,
    Position,
    Readings,
    clock_text,
    epoch_line,
    with_prefix,
)
from vision.training.stopwatch import Stopwatch, Times


class Asked:
    """Counts how often the device is asked."""

    def __init__(self) -> None:
        self.times = 0

    def metrics(self) -> Mapping[str, float]:
        self.times += 1
        return {"loss": 2.0, "accuracy": 0.25}

    def loss(self) -> float:
        self.times += 1
        return 2.0


def test_log_lines_of_an_epoch_and_the_device_is_asked_only_for_them() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    written = io.StringIO()
    display = LogDisplay(ClassificationLogLines({"epochs": "2"}), LogWriter(written), every_batches=20)
    asked = Asked()
    display.run_started(Position(0, 2, 0, 45))
    watch.start()
    for batch in range(1, 46):
        now[0] += 0.5
        watch.batch_ready()
        watch.batch_done(32)
        display.step(Position(0, 2, batch, 45), watch, Readings(asked.loss, asked.metrics, float))
    trained = {"train_loss": 2.0, "train_accuracy": 0.3, "learning_rate": 0.1}
    display.validating(Position(0, 2, 45, 45), watch.stop(), trained)
    display.validation_step(Position(0, 2, 20, 45), Stopwatch())
    display.validated(Position(0, 2, 20, 45), watch.times(), Times(), trained | {"validation_accuracy": 0.4})
    display.model_saved(Path("/opt/ml/model"), 0.4)
    display.model_saved(Path("/opt/ml/model"), None)
    display.epoch_done(Position(0, 2, 45, 45), watch.times())
    display.trained()
    display.run_ended()
    assert asked.times == 2
    lines = [line.split("] ", 1)[1] for line in written.getvalue().splitlines()]
    assert lines[lines.index("--------------------") + 1 :] == [
        "Epoch[0] Batch [20]\tSpeed: 64.00 samples/sec\taccuracy=0.250000",
        "Epoch[0] Batch [40]\tSpeed: 64.00 samples/sec\taccuracy=0.250000",
        "Epoch[0] Train-accuracy=0.300000",
        "Epoch[0] Time cost=22.500",
        "Epoch[0] Validation-accuracy=0.400000",
        "Storing the best model with validation accuracy: 0.400000",
        'Saved checkpoint to "/opt/ml/model"',
        'Saved checkpoint to "/opt/ml/model"',
    ]


def test_the_silent_display_takes_everything_and_asks_nothing() -> None:
    asked, place = Asked(), Position(0, 1, 1, 1)
    display = Display()
    display.run_started(place)
    display.step(place, Stopwatch(), Readings(asked.loss, asked.metrics, float))
    display.validating(place, Times(), {})
    display.validation_step(place, Stopwatch())
    display.validated(place, Times(), Times(), {})
    display.epoch_done(place, Times())
    display.trained()
    display.model_saved(Path("x"), 1.0)
    display.run_ended()
    assert asked.times == 0


def test_prefixes() -> None:
    metrics = {"train_loss": 1.0, "validation_train_x": 2.0, "seconds": 3.0}
    assert with_prefix(metrics, "train_") == {"loss": 1.0}
    assert with_prefix(metrics, "validation_") == {"train_x": 2.0}


def test_position_counts_parts_of_epochs() -> None:
    assert Position(3, 10, 5, 20).epochs_done == 3.25
    assert Position(0, 10, 0, 0).epochs_done == 0


def run_epoch(width: int = 120) -> tuple[str, list[int]]:
    """An epoch of 100 steps of 0.1 s at 10 images; returns all that was drawn and when the loss was read."""
    now = [0.0]
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    display = BarDisplay(console, every_batches=20, clock=lambda: now[0])
    watch = Stopwatch(lambda: now[0])
    read_at: list[int] = []
    display.run_started(Position(0, 4, 0, 100))
    watch.start()

    def loss(batch: int) -> float:
        read_at.append(batch)
        return 0.5 / batch

    for batch in range(1, 101):
        now[0] += 0.02
        watch.batch_ready()
        now[0] += 0.08
        watch.batch_done(10)
        place = Position(0, 4, batch, 100)
        display.step(place, watch, Readings(partial(loss, batch), dict, float))
    display.validating(Position(0, 4, 100, 100), watch.stop(), {})
    metrics = {"train_loss": 0.5, "train_accuracy": 0.8, "validation_accuracy": 0.75, "validation_macro_f1": 0.7}
    display.validated(Position(0, 4, 5, 100), watch.times(), Times(), metrics)
    display.model_saved(Path("runs/[bold]/model"), 0.75)
    display.run_ended()
    display.run_ended()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.getvalue()), read_at


def test_the_loss_is_read_at_first_and_then_every_twenty_batches() -> None:
    assert run_epoch()[1] == [1, 20, 40, 60, 80, 100]


def test_the_bar_says_speed_wait_loss_and_time_left() -> None:
    drawn, _ = run_epoch()
    assert "epoch 1/4" in drawn
    assert "100 images/s  data wait 20%  loss 0.0125  0:36 left" in drawn
    assert "validating" in drawn


def test_it_is_drawn_a_few_times_a_second_only() -> None:
    drawn, read_at = run_epoch()
    assert len(read_at) < drawn.count("epoch 1/4") <= 60


def test_a_line_for_the_epoch_stays() -> None:
    drawn, _ = run_epoch()
    line = (
        "epoch 1/4  train loss 0.5000  train accuracy 0.8000  validation accuracy 0.7500  100 images/s  data wait 20%"
    )
    assert f"{line}  10.0 s" in drawn
    assert "best so far, model saved in runs/[bold]/model" in drawn


METRICS = {"train_loss": 1.98061, "train_accuracy": 0.41263, "validation_accuracy": 0.33154}


@pytest.mark.parametrize(
    ("metrics", "width", "line"),
    [
        ({"validation_mAP": 0.5}, 80, "epoch   9/100  validation mAP 0.5000  470 images/s  data wait 2%  3.0 s"),
        (
            METRICS,
            80,
            "epoch   9/100  train loss 1.9806  accuracy 0.4126  validation 0.3315  3.0 s",
        ),
        (METRICS, 50, "epoch   9/100  validation accuracy 0.3315  3.0 s"),
        ({}, 80, "epoch   9/100  470 images/s  data wait 2%  3.0 s"),
    ],
)
def test_epoch_line_takes_any_metrics_and_fits(metrics: dict[str, float], width: int, line: str) -> None:
    times = Times(seconds=3.0, wait_seconds=0.06, images=1410)
    assert epoch_line(Position(8, 100, 1, 1), times, metrics, width) == line


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (95, "1:35"), (3725, "1:02:05")])
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
