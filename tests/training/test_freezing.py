"""Frozen parts keep every bit, others learn, and what thaws learns from then on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.small_run import SmallNetwork, SmallRun
from vision.settings.errors import SettingsError
from vision.settings.learning import LearningSettings
from vision.training.freezing import Freezing

STAGES = (("conv.",), ("bn.",))


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def trained_before(run: SmallRun) -> SmallRun:
    """Give the network statistics, as an earlier training leaves them."""
    run.task.network.bn.running_mean.fill_(0.25)
    return run


ALL = {"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}
HEAD = {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("given", "learns"),
    [
        ({}, ALL | HEAD),
        ({"freeze": "base"}, HEAD),
        ({"freeze": "1"}, HEAD),
        ({"freeze": "conv"}, (ALL | HEAD) - {"conv.weight"}),
        # Statistics go on following the images where the scale is trained.
        ({"freeze": "bn.bias"}, (ALL | HEAD) - {"bn.bias"}),
        ({"freeze": ".*weight"}, {"bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked", "fc.bias"}),
        ({"freeze_batch_norm": True}, {"conv.weight"} | HEAD),
        ({"freeze": "fc", "freeze_batch_norm": True}, {"conv.weight"}),
    ],
)
def test_what_is_frozen_keeps_its_bits(tmp_path: Path, given: dict[str, Any], learns: set[str]) -> None:
    run = trained_before(SmallRun(tmp_path, run=given, epochs=2))
    before = {name: value.clone() for name, value in run.task.network.state_dict().items()}
    assert changed(before, run.train()) == learns


@pytest.mark.parametrize("epochs", [1, 2])
def test_frozen_parts_thaw_after_their_epochs(tmp_path: Path, epochs: int) -> None:
    given = {"freeze": "base", "freeze_epochs": 1, "freeze_batch_norm": True}
    run = trained_before(SmallRun(tmp_path, run=given, epochs=epochs))
    before = {name: value.clone() for name, value in run.task.network.state_dict().items()}
    assert changed(before, run.train()) == (HEAD if epochs == 1 else HEAD | {"conv.weight"})


def test_what_was_frozen_for_another_reason_stays_frozen() -> None:
    network = SmallNetwork()
    network.conv.requires_grad_(False)
    freezing = Freezing(network, LearningSettings(freeze="base", freeze_epochs=1), STAGES)
    assert freezing.thaws
    freezing.apply(0)
    assert [name for name, one in network.named_parameters() if one.requires_grad] == ["fc.weight", "fc.bias"]
    freezing.apply(1)
    assert [name for name, one in network.named_parameters() if not one.requires_grad] == ["conv.weight"]
    assert network.bn.training


@pytest.mark.parametrize(
    ("given", "stages", "part"),
    [
        ({"freeze": "base"}, (), "has no base network apart from its head"),
        ({"freeze": "3"}, STAGES, "has 2 stages: give at most 2"),
        (
            {"freeze": "layer1"},
            STAGES,
            "matches the beginning of no parameter; they are called conv.weight, bn",
        ),
        ({"freeze_batch_norm": True}, STAGES[:1], "has no batch normalization"),
        ({"freeze_batch_norm": True}, STAGES, "is untrained: its statistics are still 0 and 1"),
    ],
)
def test_what_cannot_be_frozen_is_said(given: dict[str, Any], stages: Any, part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        Freezing(SmallNetwork(), LearningSettings(**given), stages)


def test_everything_may_not_be_frozen(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="every parameter of the network is frozen"):
        SmallRun(tmp_path, run={"freeze": ".*"}).train()


def test_an_empty_norm_is_not_held() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
    Freezing(network, LearningSettings(freeze="0[.]"), ()).apply(0)
    assert network[1].training


@pytest.mark.parametrize(("always", "trains"), [(False, [False, True]), (True, [False, False])])
def test_synchronized_norms_are_held_in_place_of_those_they_replace(always: bool, trains: list[bool]) -> None:
    network = SmallNetwork()
    network.bn.running_mean.fill_(0.25)
    learning = LearningSettings(freeze="base", freeze_epochs=1, freeze_batch_norm=always)
    freezing = Freezing(network, learning, STAGES)
    nn.SyncBatchNorm.convert_sync_batchnorm(network)
    assert isinstance(network.bn, nn.SyncBatchNorm)
    found = []
    for epoch in range(2):
        freezing.apply(epoch)
        found.append(network.bn.training)
    assert found == trains
