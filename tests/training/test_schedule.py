"""Rates by MXNet's and Gluon CV's schedulers, and momentum across their changes."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.settings.learning import LearningSettings
from vision.training.optimizer import OPTIMIZERS, build_optimizer
from vision.training.schedule import (
    SCHEDULES,
    CosineSchedule,
    PolySchedule,
    StepSchedule,
    WholeRunSchedule,
    build_schedule,
)


def rate_at(update: int, rate: float, steps: tuple[int, ...], factor: float, warmup: int) -> float:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = StepSchedule(optimizer, steps=steps, factor=factor, warmup_updates=warmup)
    schedule.load_state_dict({"update": update})
    return schedule.get_lr()[0]


@pytest.mark.parametrize(
    ("update", "steps", "factor", "warmup", "expected"),
    [
        (0, (), 0.1, 0, 0.8),
        (10**6, (), 0.1, 0, 0.8),
        # 5 updates an epoch, dropped after epochs 2 and 3: batch 0 of epoch 2 is update 10
        (9, (10, 15), 0.5, 0, 0.8),
        (10, (10, 15), 0.5, 0, 0.4),
        (14, (10, 15), 0.5, 0, 0.4),
        (15, (10, 15), 0.5, 0, 0.2),
        (1000, (10, 15), 0.5, 0, 0.2),
        (10, (10,), 0.0, 0, 0.0),
        (10, (10,), 1.0, 0, 0.8),
        # warm-up: 1/4, 2/4, 3/4, 4/4 of the rate
        (0, (), 0.1, 4, 0.2),
        (2, (), 0.1, 4, 0.6),
        (3, (), 0.1, 4, 0.8),
        (4, (), 0.1, 4, 0.8),
        (1, (1,), 0.5, 4, 0.2),
    ],
)
def test_rate_of_an_update(update: int, steps: tuple[int, ...], factor: float, warmup: int, expected: float) -> None:
    assert rate_at(update, 0.8, steps, factor, warmup) == pytest.approx(expected, rel=1e-12)


def make(rate: float = 0.5, name: str = "sgd") -> tuple[nn.Parameter, torch.optim.Optimizer, StepSchedule]:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -2.0]]))
    network.bias.requires_grad_(False)
    given = {"learning_rate": rate, "momentum": 0.5}
    optimizer = build_optimizer(
        network, name, {key: given[key] for key in given.keys() & OPTIMIZERS[name].reads.keys()}
    )
    return network.weight, optimizer, StepSchedule(optimizer, steps=(2, 5), factor=0.1, warmup_updates=2)


def train(
    weight: nn.Parameter, optimizer: torch.optim.Optimizer, schedule: StepSchedule, updates: range
) -> list[float]:
    rates = []
    for update in updates:
        rates.append(optimizer.param_groups[0]["lr"])
        weight.grad = torch.tensor([[float(update + 1), 0.25]])
        optimizer.step()
        schedule.step()
    return rates


def test_rate_of_each_update_is_the_pure_functions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = train(*make(), range(8))
    assert rates == [rate_at(update, 0.5, (2, 5), 0.1, 2) for update in range(8)]
    assert rates == pytest.approx([0.25, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005, 0.005])


def test_velocity_keeps_the_old_rate_when_the_rate_drops() -> None:
    """By hand, one weight, momentum 0.5, gradient 1 and then 0, rate 0.5 and then 0.05.

    v = -0.5, w = -0.5;  v = 0.5 * -0.5 = -0.25, w = -0.75. Without the correction the second step would be
    -0.025.
    """
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.5, "momentum": 0.5})
    schedule = StepSchedule(optimizer, steps=(1,), factor=0.1)
    for gradient in (1.0, 0.0):
        network.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        schedule.step()
    assert network.weight.item() == pytest.approx(-0.75)


def test_every_schedule_is_a_choice() -> None:
    assert LearningSettings.forms()["schedule"].choices == ("auto", *SCHEDULES)


@pytest.mark.parametrize(("corrects", "expected"), [(True, -0.75), (False, -0.525)])
def test_run_settings_choose_schedule_and_momentum(corrects: bool, expected: float) -> None:
    """As above, the drop after one of two epochs of one update each."""
    given = {"num_classes": 2, "num_training_samples": 1, "lr_scheduler_step": "1", "momentum": 0.5, "epochs": 2}
    hp = ImageClassificationHyperparameters.parse({**given, "learning_rate": 0.5})
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.5, "momentum": 0.5})
    schedule = build_schedule(optimizer, hp, 1, LearningSettings(momentum_correction=corrects))
    for gradient in (1.0, 0.0):
        network.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        schedule.step()
    assert network.weight.item() == pytest.approx(expected)
    chosen = build_schedule(optimizer, hp, 3, LearningSettings(schedule="cosine", warmup_epochs=1))
    assert isinstance(chosen, CosineSchedule)
    assert (chosen.last_update, chosen.warmup_updates) == (5, 3)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("cut", [0, 1, 2, 4, 5, 7])
def test_resume_is_bit_identical(name: str, cut: int) -> None:
    whole, optimizer, schedule = make(name=name)
    expected = train(whole, optimizer, schedule, range(8))

    first, optimizer, schedule = make(name=name)
    rates = train(first, optimizer, schedule, range(cut))
    second, new_optimizer, new_schedule = make(name=name)
    with torch.no_grad():
        second.copy_(first)
    new_optimizer.load_state_dict(optimizer.state_dict())
    new_schedule.load_state_dict(schedule.state_dict())
    assert rates + train(second, new_optimizer, new_schedule, range(cut, 8)) == expected
    assert torch.equal(whole, second)
    assert new_schedule.get_last_lr() == [new_optimizer.param_groups[0]["lr"]]


def test_every_group_keeps_its_own_rate() -> None:
    network = nn.Linear(2, 1)
    network.bias.learning_rate_multiplier = 2.0  # type: ignore[attr-defined]
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.5, "momentum": 0.0})
    schedule = StepSchedule(optimizer, steps=(1,), factor=0.1)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.1])


def test_a_rate_of_zero_stops_the_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.5, "momentum": 0.9})
    schedule = StepSchedule(optimizer, steps=(1, 2), factor=0.0)
    for update in range(4):
        network.weight.grad = torch.ones(1, 1)
        before = network.weight.item()
        optimizer.step()
        schedule.step()
        assert (network.weight.item() == before) == (update >= 1)


def falling_rate(kind: type[WholeRunSchedule], update: int, rate: float, last_update: int) -> float:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = kind(optimizer, last_update=last_update)
    schedule.load_state_dict({"update": update})
    return schedule.get_lr()[0]


@pytest.mark.parametrize(
    ("epoch", "iteration", "printed"),
    [(0, 20, "0.000098"), (1, 0, "0.000091"), (1, 20, "0.000089"), (9, 80, "0.000001")],
)
def test_poly_is_what_sagemaker_printed(epoch: int, iteration: int, printed: str) -> None:
    """10 epochs of 1464 images in batches of 16: the schedule has 91 updates an epoch, the run every other epoch 92."""
    rate = falling_rate(PolySchedule, epoch * 183 // 2 + iteration, 1e-4, 91 * 10 - 1)
    assert f"{rate:f}" == printed


@pytest.mark.parametrize(
    ("kind", "update", "expected"),
    [
        (PolySchedule, 0, 0.5),
        (PolySchedule, 5, 0.5 * 0.5**0.9),
        (PolySchedule, 10, 0.0),
        (PolySchedule, 99, 0.0),
        (CosineSchedule, 0, 0.5),
        (CosineSchedule, 5, 0.25),
        (CosineSchedule, 2, 0.5 * (1 + 0.8090169943749475) / 2),
        (CosineSchedule, 10, 0.0),
        (CosineSchedule, 99, 0.0),
    ],
)
def test_a_rate_falls_to_zero_at_the_end_of_the_run(kind: type[WholeRunSchedule], update: int, expected: float) -> None:
    assert falling_rate(kind, update, 0.5, 10) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", [PolySchedule, CosineSchedule])
def test_a_run_of_one_update_has_the_full_rate(kind: type[WholeRunSchedule]) -> None:
    assert falling_rate(kind, 0, 0.5, 0) == 0.5


def test_velocity_keeps_the_rates_of_its_updates_while_the_rate_falls() -> None:
    """MXNet's rule in doubles: v = momentum * v - rate * g; w += v."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.5, "momentum": 0.9})
    schedule = PolySchedule(optimizer, last_update=6)
    velocity = weight = 0.0
    for update in range(8):
        gradient = 1.0 if update < 3 else -0.25
        velocity = 0.9 * velocity - 0.5 * max(1 - update / 6, 0.0) ** 0.9 * gradient
        weight += velocity
        network.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        schedule.step()
        if update < 6:
            assert network.weight.item() == pytest.approx(weight, rel=1e-5)
