from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.training.small_run import RandomImages, SmallRun
from vision.settings.errors import UserError


def test_a_loss_that_is_not_finite_names_the_records_of_its_batch(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, every_n_steps=1)
    first = run.data.train
    assert first is not None
    with torch.no_grad():
        run.task.network.fc.weight.fill_(math.nan)
    with pytest.raises(
        UserError, match=r"infinite or NaN .* image \d+, image \d+, .* lower hp.learning_rate"
    ) as caught:
        run.train()
    # 50 images, seed 0: the first batch of the stream is where it began.
    sampler = run.trainer.train_dataloader.batch_sampler
    sampler.batches_done = 0
    drawn = next(iter(sampler)).indices.tolist()
    assert f"in a batch with {', '.join(f'image {index}' for index in drawn)}:" in str(caught.value)
    assert not run.checkpoints.path.exists()


def test_metrics_of_an_epoch_by_hand(tmp_path: Path) -> None:
    """With a rate of 0 and zero weights every class is as likely: loss ln 3, and argmax is class 0."""
    run = SmallRun(tmp_path, learning_rate=0, epochs=1, train_images=48)
    with torch.no_grad():
        run.task.network.fc.weight.zero_()
        run.task.network.fc.bias.zero_()
    run.train()
    row = run.history.rows[0]
    labels = run.data.train.reader.labels
    assert row["train_loss"] == pytest.approx(math.log(3), rel=1e-6)
    assert row["train_accuracy"] == (labels == 0).sum() / 48
    assert row["learning_rate"] == 0
    reader = run.data.validation.reader
    assert isinstance(reader, RandomImages)
    truth = reader.labels
    assert row["validation_accuracy"] == (truth == 0).sum() / 30
    # Ties go to the lower class: 0 and 1 are the best two.
    assert row["train_top_k_accuracy_2"] == (labels <= 1).sum() / 48


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 6), (2, 3), (4, 2)])
def test_gradient_accumulation_steps_less_often(tmp_path: Path, accumulate: int, updates: int) -> None:
    run = SmallRun(tmp_path, run={"accumulate": accumulate}, epochs=1)
    run.train()
    assert run.trainer.global_step == updates


def test_rate_drops_at_the_first_batch_of_the_epoch_also_when_accumulating(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, run={"accumulate": 2}, lr_scheduler_step="1,2", lr_scheduler_factor=0.5)
    run.train()
    assert [row["learning_rate"] for row in run.history.rows] == pytest.approx([0.05, 0.025, 0.0125])


def test_warm_up_raises_the_rate_over_its_epochs(tmp_path: Path) -> None:
    """50 images at batch 8 are 6 updates an epoch: after the first the rate stands at 6/12."""
    run = SmallRun(tmp_path, run={"warmup_epochs": 2}, epochs=3)
    run.train()
    assert [row["learning_rate"] for row in run.history.rows] == pytest.approx([0.025, 0.05, 0.05])


def test_clipped_gradients_have_the_given_length_at_most(tmp_path: Path) -> None:
    """Plain descent at rate 1: the way of one update is its gradient."""
    run = SmallRun(
        tmp_path,
        run={"clip_gradient_norm": 0.01},
        epochs=1,
        train_images=8,
        learning_rate=1,
        momentum=0,
        weight_decay=0,
    )
    before = [parameter.detach().clone() for parameter in run.task.network.parameters()]
    run.train()
    ways = [after.detach() - start for after, start in zip(run.task.network.parameters(), before, strict=True)]
    assert torch.cat([way.flatten() for way in ways]).norm().item() == pytest.approx(0.01, rel=1e-3)
    # Only the scaler of float16 is in the way of fused kernels, which take a sixth of the time.
    assert run.trainer.optimizers[0].defaults["fused"]
