"""Optimizers against MXNet 1.9.1 itself, and what they share."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.optimizer_cases import CASES, UPDATES, problem
from vision import algorithms
from vision.settings.errors import UserError
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.training.optimizer import (
    OPTIMIZERS,
    GroupRules,
    OptimizerEntry,
    build_optimizer,
    parameter_groups,
    reads_rate,
    rescale_momentum,
)
from vision.training.schedule import StepSchedule

TRAJECTORIES = Path(__file__).parents[1] / "fixtures" / "mxnet" / "optimizers.npz"
MOMENTUM = {"learning_rate": 0.1, "momentum": 0.9}


def trajectory(name: str, seed: int = 0) -> np.ndarray:
    """The weights float32 [UPDATES, WEIGHTS] after each update of a case."""
    case, (start, gradients) = CASES[name], problem(seed)
    network = nn.Linear(len(start), 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.from_numpy(start))
    optimizer = build_optimizer(network, case.optimizer, case.ours)
    schedule = StepSchedule(optimizer, steps=case.steps if reads_rate(case.optimizer) else (), factor=0.1)
    rows = []
    for gradient in gradients:
        network.weight.grad = torch.from_numpy(gradient[None])
        optimizer.step()
        schedule.step()
        rows.append(network.weight.detach().numpy()[0].copy())
    return np.stack(rows)


@pytest.mark.parametrize("name", CASES)
def test_follows_mxnet(name: str) -> None:
    expected = np.load(TRAJECTORIES)[name]
    assert len(expected) == UPDATES
    start, _ = problem(0)
    # By how far the weights went, within what 50 roundings of float32 make.
    np.testing.assert_allclose(trajectory(name) - start, expected - start, rtol=CASES[name].tolerance, atol=1.5e-6)


def test_centered_rmsprop_and_adagrad_follow_mxnets_formulas() -> None:
    rate, gamma, momentum, (start, gradients) = 0.01, 0.9, 0.8, problem(0)
    rules = {
        "rmsprop": {"learning_rate": rate, "gamma": gamma, "gamma2": momentum},
        "adagrad": {"learning_rate": rate},
    }
    expected = {name: start.astype(np.float64) for name in rules}
    square, mean, delta, total = (np.zeros(len(start)) for _ in range(4))
    networks = {name: nn.Linear(len(start), 1, bias=False) for name in rules}
    optimizers = {name: build_optimizer(networks[name], name, given) for name, given in rules.items()}
    for network in networks.values():
        network.weight.data.copy_(torch.from_numpy(start))
    for gradient in gradients:
        g = gradient.astype(np.float64)
        square, mean = gamma * square + (1 - gamma) * g**2, gamma * mean + (1 - gamma) * g
        delta = momentum * delta - rate * g / np.sqrt(square - mean**2 + 1e-8)
        total = total + g**2
        expected["rmsprop"] += delta
        expected["adagrad"] -= rate * g / np.sqrt(total + 1e-7)
        for name, network in networks.items():
            network.weight.grad = torch.from_numpy(gradient[None])
            optimizers[name].step()
    for name, network in networks.items():
        way = network.weight.detach().numpy()[0] - start
        np.testing.assert_allclose(way, expected[name] - start, rtol=2e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("algorithm", ["image_classification", "object_detection"])
def test_hyperparameters_and_own_defaults_reach_the_rule(algorithm: str) -> None:
    table = algorithms.facts_of(algorithm).hyperparameters
    assert issubclass(table, TrainingHyperparameters)
    found = {}
    for name in table.OPTIMIZER_USES:
        hyperparameters = table.parse({"num_classes": 2, "num_training_samples": 9, "optimizer": name})
        optimizer = build_optimizer(nn.Linear(2, 1), name, hyperparameters.optimizer_settings())
        (group, _) = optimizer.param_groups if len(optimizer.param_groups) == 2 else (*optimizer.param_groups, None)
        names = ("lr", "momentum", "weight_decay", "betas", "eps", "gamma", "rho")
        found[name] = [group[key] for key in names if key in group]
    if algorithm == "object_detection":
        assert found["adadelta"] == [1.0, 0.0, 1e-5, 0.9]
        assert found["sgd"] == [0.001, 0.9, 0.0005]
        assert found["adam"] == [0.001, 0.0, (0.9, 0.999), 1e-8]
        assert found["rmsprop"] == [0.001, 0.0005, 1e-8, 0.9]
    else:
        assert found["sgd"] == found["nag"] == [0.1, 0.9, 0.0001]
        assert found["adam"] == [0.1, 0.0, (0.9, 0.999), 1e-8]
        assert found["rmsprop"] == [0.1, 0.0, 1e-8, 0.9]


def test_a_new_optimizer_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CONTRIBUTING promises: known to tables, sweeps and estimates without another line anywhere."""
    from vision.training import optimizer as module

    def rule(groups: Any, values: Any, fused: bool) -> torch.optim.Optimizer:
        return torch.optim.Adamax(groups, lr=values["learning_rate"], betas=(values["beta_1"], 0.5))

    entry = OptimizerEntry({"learning_rate": 0.002, "beta_1": 0.25}, rule, averages=2)
    monkeypatch.setitem(OPTIMIZERS, "adamax", entry)
    assert module.offered(sgd="learning_rate")["adamax"] == {"learning_rate", "beta_1"}
    optimizer = build_optimizer(nn.Linear(2, 1), "adamax", {"learning_rate": 0.5})
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (0.5, (0.25, 0.5))
    assert entry.kept({}) == 2


@pytest.mark.parametrize(("gamma2", "kept"), [(0.9, 3), (0.0, 1)])
def test_averages_are_what_the_rule_keeps(gamma2: float, kept: int) -> None:
    network = nn.Linear(2, 1, bias=False)
    optimizer = build_optimizer(network, "rmsprop", {"gamma2": gamma2})
    network.weight.grad = torch.ones_like(network.weight)
    optimizer.step()
    state = optimizer.state[network.weight]
    assert sum(value.shape == network.weight.shape for value in state.values()) == kept
    assert OPTIMIZERS["rmsprop"].kept({"gamma2": gamma2}) == kept


def test_neither_rate_nor_multipliers_touch_adadelta() -> None:
    network = nn.Linear(2, 1)
    network.bias.learning_rate_multiplier = 2.0  # type: ignore[attr-defined]
    optimizer = build_optimizer(network, "adadelta", {})
    assert {group["lr"] for group in optimizer.param_groups} == {1.0}


@pytest.mark.parametrize("cut", [1, 7])
def test_adam_goes_on_at_its_update(cut: int) -> None:
    """eps depends on the number of the update, which a checkpoint holds."""
    settings = {"learning_rate": 0.01, "eps": 1.0}
    start, gradients = problem(1)

    def run(weight: nn.Linear, optimizer: torch.optim.Optimizer, rows: np.ndarray) -> None:
        for gradient in rows:
            weight.weight.grad = torch.from_numpy(gradient[None])
            optimizer.step()

    def new(values: np.ndarray) -> tuple[nn.Linear, torch.optim.Optimizer]:
        network = nn.Linear(len(start), 1, bias=False)
        with torch.no_grad():
            network.weight.copy_(torch.from_numpy(values))
        return network, build_optimizer(network, "adam", settings)

    whole, optimizer = new(start)
    run(whole, optimizer, gradients[:12])
    first, optimizer = new(start)
    run(first, optimizer, gradients[:cut])
    second, resumed = new(first.weight.detach().numpy()[0])
    resumed.load_state_dict(optimizer.state_dict())
    run(second, resumed, gradients[cut:12])
    assert torch.equal(whole.weight, second.weight)


def test_rescaling_multiplies_velocities_only() -> None:
    network = nn.Linear(2, 1)
    optimizer = build_optimizer(network, "sgd", MOMENTUM)
    rescale_momentum(optimizer, 10.0)
    network.weight.grad, network.bias.grad = torch.tensor([[1.0, -2.0]]), torch.tensor([3.0])
    optimizer.step()
    before = network.weight.detach().clone()
    rescale_momentum(optimizer, 10.0)
    assert torch.equal(optimizer.state[network.weight]["momentum_buffer"], torch.tensor([[10.0, -20.0]]))
    assert torch.equal(optimizer.state[network.bias]["momentum_buffer"], torch.tensor([30.0]))
    assert torch.equal(network.weight, before)


class Network(nn.Module):
    """One parameter of each role."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.bn = nn.BatchNorm2d(2)
        self.frozen = nn.Linear(2, 2)
        self.frozen.requires_grad_(False)
        self.head = nn.Conv2d(2, 2, 1)
        self.head.bias.learning_rate_multiplier = 2.0  # type: ignore[union-attr]
        self.scale = nn.Parameter(torch.ones(1))
        self.scale.weight_decay_multiplier = 0.1  # type: ignore[attr-defined]
        self.offset = nn.Parameter(torch.zeros(1))


def test_groups_follow_the_parameters_roles() -> None:
    network = Network()
    groups = parameter_groups(network, 0.5, 0.01)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        names[id(parameter)]: (group["lr"], pytest.approx(group["weight_decay"]))
        for group in groups
        for parameter in group["params"]
    }
    assert found == {
        "conv.weight": (0.5, 0.01),
        "conv.bias": (0.5, 0.0),
        "bn.weight": (0.5, 0.01),
        "bn.bias": (0.5, 0.0),
        "head.weight": (0.5, 0.01),
        "head.bias": (1.0, 0.0),
        "scale": (0.5, 0.001),
        "offset": (0.5, 0.0),
    }
    assert len(groups) == 4


def test_base_network_and_norms_have_rules_of_their_own() -> None:
    """The multiplier of a tensor and the factor of the base network are multiplied; norms lose their decay."""
    network = Network()
    network.bn.weight.weight_decay_multiplier = 1.0  # type: ignore[attr-defined]
    rules = GroupRules((("conv.", "bn."), ("head.b",)), base_rate_factor=0.1, decay_weights_only=True)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        names[id(parameter)]: (pytest.approx(group["lr"]), pytest.approx(group["weight_decay"]))
        for group in parameter_groups(network, 0.5, 0.01, rules)
        for parameter in group["params"]
    }
    assert found == {
        "conv.weight": (0.05, 0.01),
        "conv.bias": (0.05, 0.0),
        "bn.weight": (0.05, 0.0),
        "bn.bias": (0.05, 0.0),
        "head.weight": (0.5, 0.01),
        "head.bias": (0.1, 0.0),
        "scale": (0.5, 0.0),
        "offset": (0.5, 0.0),
    }


def test_adamw_decays_apart_from_the_gradient() -> None:
    """By hand: the first update is the rate along the gradient's sign, after the weight lost rate * decay of itself."""
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(2.0)
    optimizer = build_optimizer(network, "adamw", {"learning_rate": 0.1, "weight_decay": 0.5})
    network.weight.grad = torch.full((1, 1), -3.0)
    optimizer.step()
    assert network.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) + 0.1)


def test_decay_moves_weights_and_leaves_biases() -> None:
    network = nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.bias.fill_(2.0)
    optimizer = build_optimizer(network, "sgd", {"learning_rate": 0.1, "weight_decay": 0.5})
    network.weight.grad, network.bias.grad = torch.zeros(1, 1), torch.zeros(1)
    optimizer.step()
    assert network.weight.item() == pytest.approx(2.0 - 0.1 * 0.5 * 2.0)
    assert network.bias.item() == 2.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_memory_format_does_not_matter(name: str) -> None:
    """Fused kernels walk over raw memory: channels_last weights and gradients must meet the same elements."""
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
        optimizer = build_optimizer(network, name, {})
        images = torch.randn(2, 3, 8, 8)
        for _ in range(3):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            optimizer.step()
        results.append(network.weight.detach().contiguous())
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_parameters_without_gradient_stay() -> None:
    for name in OPTIMIZERS:
        network = nn.Linear(2, 2)
        before = network.bias.detach().clone()
        optimizer = build_optimizer(network, name, {})
        network.weight.grad = torch.ones(2, 2)
        optimizer.step()
        assert torch.equal(network.bias, before)


def test_half_precision_scaler_skips_an_infinite_step() -> None:
    network = nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    for name in OPTIMIZERS:
        optimizer = build_optimizer(network, name, {})
        scaler = torch.amp.GradScaler("cpu")
        scaler.scale(network(torch.full((1, 2), torch.inf)).sum()).backward()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scaler.step(optimizer)
            scaler.update()
        assert torch.equal(network.weight, before)


def test_nothing_to_train() -> None:
    with pytest.raises(UserError, match="every parameter of the network is frozen"):
        build_optimizer(nn.Linear(1, 1).requires_grad_(False), "sgd", {})
