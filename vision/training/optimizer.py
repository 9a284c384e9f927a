"""From the optimizer settings to a torch optimizer that follows MXNet's update rules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.settings.errors import SettingsError, UserError
from vision.settings.hyperparameters import OptimizerSettings
from vision.training.rmsprop import RMSProp

_DECAYED_ROLES = ("weight", "gamma")
_FUSED_DEVICES = ("cpu", "cuda")


def build_optimizer(network: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimizer of all parameters of ``network`` that require a gradient.

    - sgd, nag: MXNet's, if momentum is corrected when the rate changes (rescale_momentum).
    - rmsprop: MXNet's exactly (RMSProp).
    - adam: torch's, L2 and not decoupled decay like MXNet's. MXNet adds eps before the second moment's bias
      correction, torch after it, so MXNet's eps weighs 1 / sqrt(1 - beta_2**t) times as much: 32 times at the
      first update, and nothing that can be seen at the default eps of 1e-8.
    - adadelta: MXNet's has no rate, so it starts at 1 here whatever ``learning_rate`` is; the schedule and
      the parameters' multipliers still apply. Decay, if any, is added to the gradient; MXNet subtracts it
      from the weight.
    """
    rate = 1.0 if settings.name == "adadelta" else settings.learning_rate
    groups = parameter_groups(network, rate, settings.weight_decay)
    fused = _can_fuse(groups)
    match settings.name:
        case "sgd" | "nag":
            # torch refuses nesterov without momentum, where it is plain gradient descent anyway.
            nesterov = settings.name == "nag" and settings.momentum > 0
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=nesterov, fused=fused)
        case "adam":
            _check_betas(settings.betas)
            return torch.optim.Adam(groups, lr=rate, betas=settings.betas, eps=settings.eps, fused=fused)
        case "rmsprop":
            return RMSProp(groups, lr=rate, gamma=settings.gamma, eps=settings.eps)
        case "adadelta":
            return torch.optim.Adadelta(groups, lr=rate, rho=settings.rho, eps=settings.eps)
    raise AssertionError(settings.name)


def parameter_groups(network: nn.Module, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters, grouped by their rate and decay, in the order in which the network lists them.

    As in MXNet decay is for weights and BatchNorm gammas (both are called ``weight`` in torch), not for
    biases, betas or any other role. A network may set ``weight_decay_multiplier`` and
    ``learning_rate_multiplier`` on a parameter tensor; they replace that rule and the rate's factor of 1.
    """
    by_multipliers: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = _multipliers(name, parameter)
            by_multipliers.setdefault(key, []).append(parameter)
    if not by_multipliers:
        raise UserError(
            "every parameter of the network is frozen, so there is nothing to train; "
            "freeze fewer layers (freeze_layer_pattern)"
        )
    return [
        {"params": parameters, "lr": learning_rate * rate, "weight_decay": weight_decay * decay}
        for (rate, decay), parameters in by_multipliers.items()
    ]


def rescale_momentum(optimizer: Optimizer, ratio: float) -> None:
    """Correct momentum for a change of the rate; ``ratio`` is the old rate over the new one.

    MXNet's velocity holds the rate: v = m * v - rate * g; w += v. torch applies the rate outside:
    b = m * b + g; w -= rate * b. They are equal (v = -rate * b) until the rate changes: then MXNet's old
    velocity keeps the old rate, and torch's must be multiplied by the ratio to do the same ("momentum
    correction", Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 2.1). It changes only the
    optimizer's own state, so a checkpoint taken after it resumes exactly.
    """
    buffers = [state.get("momentum_buffer") for state in optimizer.state.values()]
    present = [buffer for buffer in buffers if buffer is not None]
    if present:
        torch._foreach_mul_(present, ratio)


def _multipliers(name: str, parameter: Tensor) -> tuple[float, float]:
    role = name.rpartition(".")[2]
    decay = getattr(parameter, "weight_decay_multiplier", 1.0 if role in _DECAYED_ROLES else 0.0)
    rate = getattr(parameter, "learning_rate_multiplier", 1.0)
    return float(rate), float(decay)


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(p.device.type in _FUSED_DEVICES and p.is_floating_point() for p in parameters)


def _check_betas(betas: tuple[float, float]) -> None:
    problems = [
        f"{name} is {beta}, but with 1 adam's average never takes in a gradient; give less than 1"
        for name, beta in zip(("beta_1", "beta_2"), betas, strict=True)
        if beta >= 1
    ]
    if problems:
        raise SettingsError(problems)
