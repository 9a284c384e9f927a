"""Optimizers against MXNet's update rules, written out in numpy (optimizer_op-inl.h, optimizer.py of MXNet
1.x)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vision.settings.errors import SettingsError, UserError
from vision.settings.hyperparameters import OptimizerSettings
from vision.training.optimizer import build_optimizer, parameter_groups, rescale_momentum
from vision.training.schedule import StepSchedule

Array = np.ndarray
Rule = Callable[[Array, Array, dict[str, Array], float, OptimizerSettings, int], Array]


def mxnet_sgd(w: Array, g: Array, state: dict[str, Array], lr: float, s: OptimizerSettings, t: int) -> Array:
    state["v"] = s.momentum * state.get("v", 0) - lr * (g + s.weight_decay * w)
    return w + state["v"]


def mxnet_nag(w: Array, g: Array, state: dict[str, Array], lr: float, s: OptimizerSettings, t: int) -> Array:
    v = s.momentum * state.get("v", np.zeros_like(w))
    step = lr * (g + s.weight_decay * w)
    state["v"] = v - step
    return w - v + (s.momentum + 1) * (v - step)


def mxnet_rmsprop(w: Array, g: Array, state: dict[str, Array], lr: float, s: OptimizerSettings, t: int) -> Array:
    g = g + s.weight_decay * w
    state["n"] = (1 - s.gamma) * g * g + s.gamma * state.get("n", 0)
    return w - lr * g / np.sqrt(state["n"] + s.eps)


def mxnet_adam(w: Array, g: Array, state: dict[str, Array], lr: float, s: OptimizerSettings, t: int) -> Array:
    beta_1, beta_2 = s.betas
    g = g + s.weight_decay * w
    state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * g
    state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * g * g
    lr = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return w - lr * state["m"] / (np.sqrt(state["v"]) + s.eps)


def mxnet_adadelta(w: Array, g: Array, state: dict[str, Array], lr: float, s: OptimizerSettings, t: int) -> Array:
    state["g"] = s.rho * state.get("g", 0) + (1 - s.rho) * g * g
    delta = np.sqrt(state.get("d", 0) + s.eps) / np.sqrt(state["g"] + s.eps) * g
    state["d"] = s.rho * state.get("d", 0) + (1 - s.rho) * delta * delta
    return w - delta


def settings(name: str, **values: Any) -> OptimizerSettings:
    defaults = {"learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    return OptimizerSettings(name=name, **{**defaults, **values})


@pytest.mark.parametrize(
    ("rule", "chosen", "steps"),
    [
        (mxnet_sgd, settings("sgd", momentum=0.9, weight_decay=0.01), (3, 7)),
        (mxnet_sgd, settings("sgd", momentum=0.0, weight_decay=0.01), (3, 7)),
        (mxnet_nag, settings("nag", momentum=0.9, weight_decay=0.01), (3, 7)),
        (mxnet_nag, settings("nag", momentum=0.0), (3,)),
        (mxnet_rmsprop, settings("rmsprop", weight_decay=0.01), (3, 7)),
        (mxnet_rmsprop, settings("rmsprop", eps=0.1, gamma=0.5), (3, 7)),
        (mxnet_adam, settings("adam", eps=1e-12), (3, 7)),
        (mxnet_adam, settings("adam", eps=1e-12, weight_decay=0.01), (3, 7)),
        (mxnet_adadelta, settings("adadelta", learning_rate=0.001, eps=1e-5), ()),
    ],
    ids=lambda value: getattr(value, "__name__", None) or getattr(value, "name", None) or str(value),
)
def test_follows_mxnet_across_rate_drops(rule: Rule, chosen: OptimizerSettings, steps: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    expected = random.normal(size=(3, 4))
    network = nn.Linear(4, 3, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(torch.from_numpy(expected))
    optimizer = build_optimizer(network, chosen)
    schedule = StepSchedule(optimizer, steps=steps, factor=0.1)
    state: dict[str, Array] = {}
    for update in range(12):
        # Gradients from 1e-6 to 1: the place of eps shows on the small ones.
        gradient = random.normal(size=(3, 4)) * np.logspace(-6, 0, 12).reshape(3, 4)
        rate = chosen.learning_rate * 0.1 ** sum(update >= step for step in steps)
        expected = rule(expected, gradient, state, rate, chosen, update + 1)
        network.weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        schedule.step()
        # Adam's eps stands elsewhere in torch, so the two agree only as far as eps is small.
        tolerance = 1e-5 if chosen.name == "adam" else 1e-10
        np.testing.assert_allclose(network.weight.detach().numpy(), expected, rtol=0, atol=tolerance)


def test_rescaling_multiplies_velocities_only() -> None:
    network = nn.Linear(2, 1)
    optimizer = build_optimizer(network, settings("sgd", momentum=0.9))
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


def test_decay_moves_weights_and_leaves_biases() -> None:
    network = nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.bias.fill_(2.0)
    optimizer = build_optimizer(network, settings("sgd", weight_decay=0.5))
    network.weight.grad, network.bias.grad = torch.zeros(1, 1), torch.zeros(1)
    optimizer.step()
    assert network.weight.item() == pytest.approx(2.0 - 0.1 * 0.5 * 2.0)
    assert network.bias.item() == 2.0


@pytest.mark.parametrize("name", ["sgd", "nag", "adam", "rmsprop", "adadelta"])
def test_memory_format_does_not_matter(name: str) -> None:
    """Fused kernels walk over raw memory: channels_last weights and gradients must meet the same elements."""
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
        optimizer = build_optimizer(network, settings(name, momentum=0.9))
        images = torch.randn(2, 3, 8, 8)
        for _ in range(3):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            optimizer.step()
        results.append(network.weight.detach().contiguous())
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_parameters_without_gradient_stay() -> None:
    for name in ("sgd", "adam", "rmsprop", "adadelta"):
        network = nn.Linear(2, 2)
        before = network.bias.detach().clone()
        optimizer = build_optimizer(network, settings(name, momentum=0.9))
        network.weight.grad = torch.ones(2, 2)
        optimizer.step()
        assert torch.equal(network.bias, before)


def test_half_precision_scaler_skips_an_infinite_step() -> None:
    network = nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    for name in ("sgd", "adam", "rmsprop"):
        optimizer = build_optimizer(network, settings(name))
        scaler = torch.amp.GradScaler("cpu")
        scaler.scale(network(torch.full((1, 2), torch.inf)).sum()).backward()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scaler.step(optimizer)
            scaler.update()
        assert torch.equal(network.weight, before)


@pytest.mark.parametrize(
    ("chosen", "frozen", "error", "words"),
    [
        (settings("sgd"), True, UserError, "every parameter of the network is frozen"),
        (settings("adam", betas=(1.0, 0.999)), False, SettingsError, "beta_1 is 1.0"),
        (settings("adam", betas=(0.9, 1.0)), False, SettingsError, "beta_2 is 1.0"),
    ],
)
def test_sentences(chosen: OptimizerSettings, frozen: bool, error: type[Exception], words: str) -> None:
    network = nn.Linear(1, 1).requires_grad_(not frozen)
    with pytest.raises(error, match=words):
        build_optimizer(network, chosen)
