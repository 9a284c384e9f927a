from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small_run import SmallRun
from tests.training.test_resume import Kill
from vision.algorithms.image_classification.loss import cross_entropy
from vision.training.mixing import Mixing


def batch(count: int = 4, side: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one value each, and targets that say which: image i has the value 60 i and the class i."""
    images = (torch.arange(count) * 60).to(torch.uint8)[:, None, None, None].expand(count, 3, side, side)
    return images.contiguous(memory_format=torch.channels_last), torch.eye(count)


def test_mixup_gives_labels_in_the_share_of_the_pixels() -> None:
    shares = []
    for number in range(300):
        images, targets = Mixing(0.4, 0.0, seed=1)(*batch(), number, 0)
        assert images.dtype == torch.uint8
        share = float(targets[1, 1])
        assert targets.sum(1).tolist() == pytest.approx([1.0] * 4)
        assert float(targets[1, 0]) == pytest.approx(1 - share, abs=1e-6)
        assert images[1, :, 3, 5].tolist() == [round(60 * share)] * 3
        shares.append(share)
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.var(shares) == pytest.approx(1 / (4 * 1.8), abs=0.02)


def test_cutmix_gives_labels_in_the_share_of_the_area() -> None:
    areas = set()
    for number in range(100):
        images, targets = Mixing(0.0, 1.0, seed=1)(*batch(), number, 0)
        for index in range(4):
            own = (images[index, 0] == 60 * index).float().mean()
            assert set(images[index, 0].unique().tolist()) <= {60 * index, 60 * ((index - 1) % 4)}
            assert float(targets[index, index]) == pytest.approx(float(own), abs=1e-6)
        areas.add(round(float(own), 3))
    assert len(areas) > 30


def test_a_coin_decides_where_both_are_given() -> None:
    kinds = [len(Mixing(1.0, 1.0, seed=3)(*batch(), number, 0)[0][1, 0].unique()) for number in range(200)]
    # Of one value: mixed up, or pasted all or nothing.
    assert 60 < sum(kind == 2 for kind in kinds) < 130


def test_numbers_follow_from_seed_batch_and_process() -> None:
    def targets(seed: int, number: int, rank: int) -> list[float]:
        return Mixing(1.0, 0.0, seed)(*batch(), number, rank)[1].ravel().tolist()

    assert targets(1, 2, 0) == targets(1, 2, 0)
    assert len({tuple(targets(*given)) for given in ((1, 2, 0), (2, 2, 0), (1, 3, 0), (1, 2, 1))}) == 4


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_loss_of_mixed_labels_is_the_mean_of_the_losses(multi_label: bool, tmp_path: Path) -> None:
    values = {"multi_label": True, "top_k": ""} if multi_label else {}
    task = SmallRun(tmp_path, run={"mixup": 0.4}, **values).task
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    plain = torch.tensor([[1.0, 0, 1], [0, 1, 0]]) if multi_label else torch.tensor([2, 0])
    soft = task.soft_targets(plain)
    mixed = torch.lerp(soft.roll(1, 0), soft, 0.3)
    (found,) = task.losses(logits, mixed).values()
    (own,), (other,) = task.losses(logits, plain).values(), task.losses(logits, plain.roll(1, 0)).values()
    assert float(found) == pytest.approx(0.3 * float(own) + 0.7 * float(other), rel=1e-5)
    assert 0 <= float(task.training_sums(logits, mixed)["correct"]) <= 2


def test_labels_as_shares_weigh_as_class_ids_do() -> None:
    logits, ids = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 2, 1, 0])
    for weights in (None, torch.tensor([0.5, 1.0, 4.0])):
        for smoothing in (0.0, 0.1):
            shares = cross_entropy(logits, torch.eye(3)[ids], weights, smoothing)
            torch.testing.assert_close(shares, cross_entropy(logits, ids, weights, smoothing))


def test_a_run_that_is_resumed_in_an_epoch_mixes_as_the_whole_one(tmp_path: Path) -> None:
    run = {"mixup": 0.4, "cutmix": 1.0}
    whole = SmallRun(tmp_path / "whole", run=run).train()
    plain = SmallRun(tmp_path / "plain").train()
    with pytest.raises(Kill.Killed):
        SmallRun(tmp_path / "parts", run=run, every_n_steps=1, callbacks=(Kill(after_batches=4),)).train()
    parts = SmallRun(tmp_path / "parts", run=run, every_n_steps=1).train()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not all(torch.equal(whole[name], plain[name]) for name in whole)
