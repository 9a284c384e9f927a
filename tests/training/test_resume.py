from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from tests.training.small_run import SmallRun


class Kill(pl.Callback):
    """Ends the process's work without any good-bye, as kill -9 would."""

    class Killed(BaseException):
        pass

    def __init__(self, *, after_batches: int | None = None, in_validation_of: int | None = None) -> None:
        self.after_batches = after_batches
        self.in_validation_of = in_validation_of
        self.seen = 0

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen += 1
        if self.seen == self.after_batches:
            raise self.Killed

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.in_validation_of:
            raise self.Killed


# 50 images at batch 8 are 6 batches an epoch, 18 in all.
KILLS = [
    [{"after_batches": 1}],
    [{"after_batches": 4}],
    [{"after_batches": 6}],
    [{"after_batches": 7}],
    [{"after_batches": 17}],
    [{"in_validation_of": 0}],
    [{"in_validation_of": 2}],
    [
        {"after_batches": 3},
        {"after_batches": 2},
        {"after_batches": 5},
        {"in_validation_of": 1},
        {"after_batches": 3},
    ],
]


@pytest.mark.parametrize("every_n_steps", [None, 1, 2, 3])
@pytest.mark.parametrize("kills", KILLS, ids=str)
def test_killed_runs_end_with_the_same_bits(tmp_path: Path, kills: list[dict[str, int]], every_n_steps: int) -> None:
    whole = SmallRun(tmp_path / "whole", lr_scheduler_step="1,2")
    expected = whole.train()
    for kill in kills:
        part = SmallRun(
            tmp_path / "parts",
            every_n_steps=every_n_steps,
            callbacks=(Kill(**kill),),
            lr_scheduler_step="1,2",
        )
        with pytest.raises(Kill.Killed):
            part.train()
    last = SmallRun(tmp_path / "parts", every_n_steps=every_n_steps, lr_scheduler_step="1,2")
    found = last.train()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert last.history.rows == whole.history.rows
    assert (tmp_path / "parts/metrics.csv").read_text() == (tmp_path / "whole/metrics.csv").read_text()


@pytest.mark.parametrize("every_n_steps", [None, 1, 3])
def test_settings_of_learning_resume_with_the_same_bits(tmp_path: Path, every_n_steps: int) -> None:
    """What is averaged, kept for statistics, frozen and scheduled goes on, inside an epoch too."""
    given = {"ema_decay": 0.7, "batch_norm_batches": 4, "clip_gradient_norm": 0.3, "schedule": "cosine"}
    given |= {"freeze": "conv", "freeze_epochs": 1, "momentum_correction": False, "accumulate": 2}
    given_hp = {"optimizer": "adamw", "learning_rate": 0.01}
    whole = SmallRun(tmp_path / "whole", run=given, **given_hp)
    expected = whole.train()
    for kill in ({"after_batches": 5}, {"after_batches": 4}, {"in_validation_of": 1}):
        killer = Kill(**kill)
        part = SmallRun(tmp_path / "parts", every_n_steps=every_n_steps, callbacks=(killer,), run=given, **given_hp)
        with pytest.raises(Kill.Killed):
            part.train()
    last = SmallRun(tmp_path / "parts", every_n_steps=every_n_steps, run=given, **given_hp)
    found = last.train()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert last.history.rows == whole.history.rows
