"""The callback in a real, tiny Lightning run, and the choice of a display."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from vision.algorithms.image_classification.log_lines import ClassificationLogLines
from vision.data.collate import Batch
from vision.training.log_lines import EpochReport
from vision.training.progress import Mode, Progress, make_display, quiet_lightning
from vision.training.progress_display import BarDisplay, Display, LogDisplay

LINES = ClassificationLogLines({"epochs": "2"})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Task(pl.LightningModule):
    """Has what a TrainingTask has, and resets ``epoch_metrics`` where one does."""

    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.images_per_step = 4
        self.last_loss: torch.Tensor | None = None
        self.epoch_metrics: dict[str, float] = {}
        self.fail_at = fail_at

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        if batch_idx == self.fail_at:
            raise ValueError("boom")
        loss = (self.weight - batch).square().mean()
        self.last_loss = loss.detach()
        return loss

    def running_metrics(self) -> dict[str, float]:
        return {"loss": 1.0, "accuracy": 0.125}

    def on_validation_start(self) -> None:
        self.epoch_metrics = {"train_loss": 1.0, "train_accuracy": 0.25}

    def validation_step(self, batch: Batch, batch_idx: int) -> None: ...

    def on_validation_epoch_end(self) -> None:
        self.epoch_metrics["validation_accuracy"] = 0.5

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def fit() -> Callable[[Task, Progress], None]:
    quiet_lightning()
    loader: DataLoader[torch.Tensor] = DataLoader(torch.ones(20), batch_size=4)
    batch = Batch(torch.zeros(4, 3, 1, 1), None, torch.arange(4), ())
    validation: DataLoader[Batch] = DataLoader([batch] * 3, batch_size=None)  # type: ignore[arg-type]

    def run(task: Task, progress: Progress) -> None:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=2,
            callbacks=[progress],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, loader, validation)

    return run


def test_plain_progress_prints_the_algorithm_s_lines_in_order(fit: Callable[[Task, Progress], None]) -> None:
    out = io.StringIO()
    task = Task()
    fit(task, Progress(LINES, "auto", 2, out=out, err=io.StringIO()))
    lines = [line.split("] ", 1)[1] for line in out.getvalue().splitlines()]
    starts = [line.split("=")[0].split("\t")[0] for line in lines if line.startswith("Epoch")]
    assert starts == [
        f"Epoch[{epoch}] {what}"
        for epoch in (0, 1)
        for what in ("Batch [2]", "Batch [4]", "Train-accuracy", "Time cost", "Validation-accuracy")
    ]
    assert {"images_per_second", "data_wait_share", "seconds"} <= set(task.epoch_metrics)
    assert task.epoch_metrics["images_per_second"] == pytest.approx(20 / task.epoch_metrics["seconds"])
    assert 0 <= task.epoch_metrics["data_wait_share"] <= 1


class AllLines(ClassificationLogLines):
    """Names every line that a log may have."""

    def validation_batch(self, epoch: int, batches: int, images_per_second: float) -> list[str]:
        return [f"Epoch[{epoch}] validation batch {batches}"]

    def validation(self, report: EpochReport) -> list[str]:
        return [f"Epoch[{report.epoch}] validated {report.batches} batches, {report.images} images"]

    def epoch_end(self, report: EpochReport) -> list[str]:
        return [f"Epoch[{report.epoch}] over: {report.batches} batches, {report.images} images"]

    def end(self) -> list[str]:
        return ["over"]


def test_lines_of_the_validation_and_of_the_end_come_in_order(fit: Callable[[Task, Progress], None]) -> None:
    out = io.StringIO()
    fit(Task(), Progress(AllLines({"epochs": "2"}), "plain", 2, out=out, err=io.StringIO()))
    lines = [line.split("] ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines[lines.index("Epoch[1] Train-accuracy=0.250000") + 2 :] == [
        "Epoch[1] validation batch 2",
        "Epoch[1] validated 3 batches, 12 images",
        "Epoch[1] over: 5 batches, 20 images",
        "over",
    ]


def test_a_bar_goes_to_the_terminal_and_leaves_the_other_stream_alone(fit: Callable[[Task, Progress], None]) -> None:
    out, err = io.StringIO(), Terminal()
    fit(Task(), Progress(LINES, "auto", 2, out=out, err=err))
    assert out.getvalue() == ""
    assert "epoch 2/2" in err.getvalue()


def test_epochs_are_timed_without_a_display(fit: Callable[[Task, Progress], None]) -> None:
    out, err, task = io.StringIO(), io.StringIO(), Task()
    fit(task, Progress(LINES, "none", 2, out=out, err=err))
    assert out.getvalue() == err.getvalue() == ""
    assert task.epoch_metrics["seconds"] > 0


def test_the_cursor_comes_back_when_training_fails(fit: Callable[[Task, Progress], None]) -> None:
    err = Terminal()
    with pytest.raises(ValueError, match="boom"):
        fit(Task(fail_at=1), Progress(LINES, "bar", 2, out=io.StringIO(), err=err))
    assert err.getvalue().rfind("\x1b[?25h") > err.getvalue().rfind("\x1b[?25l") >= 0


@pytest.mark.parametrize(
    ("mode", "out", "err", "expected"),
    [
        ("auto", io.StringIO(), io.StringIO(), LogDisplay),
        ("auto", Terminal(), io.StringIO(), BarDisplay),
        ("auto", io.StringIO(), Terminal(), BarDisplay),
        ("plain", Terminal(), Terminal(), LogDisplay),
        ("bar", io.StringIO(), io.StringIO(), BarDisplay),
        ("none", Terminal(), Terminal(), Display),
    ],
)
def test_mode_chooses_the_display(mode: Mode, out: io.StringIO, err: io.StringIO, expected: type) -> None:
    assert type(make_display(LINES, mode, 20, out, err)) is expected


def test_lightning_is_quiet_but_its_warnings_stay(caplog: pytest.LogCaptureFixture) -> None:
    quiet_lightning()
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    assert not logger.isEnabledFor(logging.INFO)
    assert logger.isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("module", "category", "message", "is_shown"),
    [
        ("pytorch_lightning.utilities._pytree", FutureWarning, "`isinstance(treespec, LeafSpec)` is deprecated", False),
        ("torch.backends", UserWarning, "This API will be DEPRECATED after 2.9", False),
        ("torch.nn.modules.loss", UserWarning, "sizes differ", True),
        ("vision.data.dataset", FutureWarning, "this is deprecated", True),
    ],
)
def test_what_libraries_call_deprecated_is_silent(
    module: str, category: type[Warning], message: str, is_shown: bool
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quiet_lightning()
        warnings.warn_explicit(message, category, f"{module}.py", 1, module=module)
    assert bool(seen) == is_shown
