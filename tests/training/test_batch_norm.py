"""Statistics of batch normalization that are measured before a validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from tests.training.small_run import SmallNetwork, SmallRun
from vision.training import processes
from vision.training.batch_norm import measure_statistics


def test_statistics_are_the_means_of_the_batches() -> None:
    """By hand: batches of one channel with the values 0, 2 and 4, 4, 7: means 1 and 5, unbiased variances 2 and 3."""
    norm = nn.BatchNorm2d(1)
    network = nn.Sequential(norm, nn.Dropout(0.5))
    batches = [torch.tensor(values).reshape(-1, 1, 1, 1) for values in ([0.0, 2.0], [4.0, 4.0, 7.0])]
    network(batches[1])
    before = torch.get_rng_state()
    measure_statistics(network, batches, [norm])
    assert norm.running_mean.tolist() == pytest.approx([3.0])
    assert norm.running_var.tolist() == pytest.approx([2.5])
    # An average that went on from here would go on as it did.
    assert (norm.momentum, norm.num_batches_tracked.item()) == (0.1, 1)
    assert network[1].training
    assert torch.equal(torch.get_rng_state(), before)


def test_processes_share_what_each_has_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: another process has the means 5 and 1 and the variances 7 and 3 of the two layers."""
    network = nn.Sequential(nn.BatchNorm1d(1), nn.BatchNorm1d(1))
    from_another = iter([5.0, 7.0, 1.0, 3.0])
    monkeypatch.setattr(processes, "is_one_of_several", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: tensor.add_(next(from_another)))
    measure_statistics(network, [torch.tensor([[1.0], [3.0]])], list(network))
    # Of this one's batch, the first layer's are 2 and 2, the second's those of normalized values.
    assert [norm.running_mean.item() for norm in network] == pytest.approx([3.5, 0.5], abs=1e-4)
    assert [norm.running_var.item() for norm in network] == pytest.approx([4.5, 2.5], abs=1e-4)


def test_what_is_frozen_or_idle_in_an_evaluation_keeps_its_statistics() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.frozen, self.auxiliary = (nn.BatchNorm1d(1) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.frozen(self.used(x))
            return x + self.auxiliary(x) if self.training else x

    network = Network()
    network(torch.tensor([[1.0], [3.0]]))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measure_statistics(network, [torch.tensor([[5.0], [9.0]])], [network.used, network.auxiliary])
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"used.running_mean", "used.running_var"}


class Look(pl.Callback):
    """Notes the training batches, and the statistics that a validation works with."""

    def __init__(self) -> None:
        self.images: list[torch.Tensor] = []
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        self.images.append(args[1].images)

    def on_validation_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object) -> None:
        network = pl_module.network
        assert isinstance(network, SmallNetwork)
        with torch.no_grad():
            maps = [network.conv(images.float() / 255) for images in self.images[-2:]]
        expected = torch.stack([one.mean(dim=(0, 2, 3)) for one in maps]).mean(dim=0)
        self.seen.append((network.bn.running_mean.clone(), expected))


@pytest.mark.parametrize("count", [0, 2])
def test_a_validation_sees_statistics_of_the_latest_batches(tmp_path: Path, count: int) -> None:
    look = Look()
    run = SmallRun(tmp_path, callbacks=(look,), run={"batch_norm_batches": count, "ema_decay": 0.5})
    run.train()
    assert look.seen
    close = [torch.allclose(found, expected, rtol=1e-4, atol=1e-5) for found, expected in look.seen]
    assert set(close) == {count == 2}
