"""Log lines as a run goes by."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from vision.training.log_lines import ClassificationLogLines, LogWriter
from vision.training.progress_display import Display, LogDisplay, Position, Readings, with_prefix
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
        display.step(Position(0, 2, batch, 45), watch, Readings(asked.loss, asked.metrics))
    display.validating(Position(0, 2, 45, 45))
    display.epoch_done(
        Position(0, 2, 45, 45),
        watch.stop(),
        {"train_loss": 2.0, "train_accuracy": 0.3, "learning_rate": 0.1, "validation_accuracy": 0.4},
    )
    display.model_saved(Path("/opt/ml/model"), 0.4)
    display.model_saved(Path("/opt/ml/model"), None)
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
    display.step(place, Stopwatch(), Readings(asked.loss, asked.metrics))
    display.epoch_done(place, Times(), {})
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
