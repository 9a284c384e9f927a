"""float16's loss scaling: an update that is left out must leave the optimizer as if it had never come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from vision.training.optimizer import OPTIMIZERS, build_optimizer, reads_rate
from vision.training.schedule import StepSchedule

SCALE = 2.0**10
GIVEN = {"momentum": 0.9, "weight_decay": 0.01}


@pytest.fixture(autouse=True)
def fresh_memory_holds_nan() -> Iterator[None]:
    """What nobody has written shows: torch fills it in this mode."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def weights_after(name: str, gradients: list[Tensor], *, scaled: bool) -> Tensor:
    """The weights after an update by each gradient, with or without a scaler; the rate falls after each."""
    network = nn.Linear(8, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(1.0)
    optimizer = build_optimizer(network, name, {key: GIVEN[key] for key in GIVEN if key in OPTIMIZERS[name].reads})
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE, backoff_factor=0.5, enabled=scaled)
    scaler.scale(torch.ones(()))
    for gradient in gradients:
        network.weight.grad = gradient * (scaler.get_scale() if scaled else 1.0)
        scaler.step(optimizer)
        scaler.update()
    return network.weight.detach()


@pytest.mark.parametrize("bad", [[0], [0, 1], [2], [0, 3]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_left_out_changes_nothing(name: str, bad: list[int]) -> None:
    good = [torch.linspace(-1, 1, 8)[None] * (1 + step) for step in range(4)]
    with_bad = list(good)
    for place in bad:
        with_bad.insert(place, good[0].clone().index_fill_(1, torch.tensor([3]), float("inf")))
    expected = weights_after(name, good, scaled=False)
    assert torch.isfinite(expected).all()
    assert torch.equal(weights_after(name, with_bad, scaled=True), expected)


# Said of every optimizer whose first update was left out; progress.quiet_lightning keeps it from users.
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if reads_rate(name)])
def test_the_rate_goes_on_where_an_update_is_left_out(name: str) -> None:
    network = nn.Linear(2, 1)
    optimizer = build_optimizer(network, name, {})
    schedule = StepSchedule(optimizer, steps=(1, 2), factor=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for _ in range(2):
        scaler.scale(network(torch.full((1, 2), float("inf"))).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert all(map(torch.equal, network.parameters(), before))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(OPTIMIZERS[name].reads["learning_rate"] / 4)
