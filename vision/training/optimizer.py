"""The optimizers: one entry each, and what all of them share. Importing this loads no torch.

An optimizer is added here alone: its entry makes it a choice of every algorithm's ``optimizer``, and from it come what
is said of hyperparameters without effect, what a sweep varies and the estimate of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vision.nn.stages import Stages, is_in
from vision.settings.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Groups = list[dict[str, Any]]
Rule = Callable[[Groups, Mapping[str, float], bool], "Optimizer"]

_DECAYED_ROLES = ("weight", "gamma")
_FUSED_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class OptimizerEntry:
    """An update rule and what it is given.

    ``reads``: hyperparameters, each with the rule's own default, which counts where an algorithm's table has no such
    hyperparameter. Without ``learning_rate`` among them its schedule and multipliers have no effect either.
    ``rule`` makes the optimizer of parameter groups that hold rate and decay, with a value for everything in ``reads``
    and whether all parameters can be updated by fused kernels.
    ``averages``: tensors of the weights' size that it keeps, for some rules by the values in ``reads``.
    ``documented``: whether it is SageMaker's, offered only by algorithms whose documentation names it.
    """

    reads: Mapping[str, float]
    rule: Rule
    averages: int | Callable[[Mapping[str, float]], int]
    documented: bool = False

    def kept(self, given: Mapping[str, float]) -> int:
        """Return ``averages`` for these values of hyperparameters."""
        return self.averages if isinstance(self.averages, int) else self.averages({**self.reads, **given})


def _sgd(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from vision.training.update_rules import SGD

    return SGD(groups, lr=values["learning_rate"], momentum=values["momentum"], fused=fused)


def _nag(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from vision.training.update_rules import SGD

    # torch refuses nesterov without momentum, where it is plain gradient descent anyway.
    momentum = values["momentum"]
    return SGD(groups, lr=values["learning_rate"], momentum=momentum, nesterov=momentum > 0, fused=fused)


def _adam(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from vision.training.update_rules import Adam

    betas = values["beta_1"], values["beta_2"]
    return Adam(groups, lr=values["learning_rate"], betas=betas, eps=values["eps"], fused=fused)


def _adamw(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from torch.optim import AdamW

    betas = values["beta_1"], values["beta_2"]
    return AdamW(groups, lr=values["learning_rate"], betas=betas, eps=values["eps"], fused=fused)


def _rmsprop(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from vision.training.update_rules import CenteredRMSProp, RMSProp

    rate, gamma, momentum, eps = (values[name] for name in ("learning_rate", "gamma", "gamma2", "eps"))
    if momentum == 0:
        return RMSProp(groups, lr=rate, gamma=gamma, eps=eps)
    return CenteredRMSProp(groups, lr=rate, gamma=gamma, momentum=momentum, eps=eps)


def _adagrad(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from torch.optim import Adagrad

    # The root of a sum that starts at epsilon is MXNet's, which has epsilon inside the root.
    return Adagrad(groups, lr=values["learning_rate"], initial_accumulator_value=values["eps"], eps=0.0)


def _adadelta(groups: Groups, values: Mapping[str, float], fused: bool) -> Optimizer:
    from torch.optim import Adadelta

    return Adadelta(groups, lr=1.0, rho=values["rho"], eps=values["eps"])


# MXNet 1.9.1's rules and defaults. torch's SGD is MXNet's if momentum is corrected when the rate changes
# (rescale_momentum), but for one thing in nag: MXNet's kernel writes the new weight before it reads it for the decay
# inside the velocity. torch's fused kernel cannot, and the difference is small: less than 0.1 % of a weight's way
# after 50 updates with a weight decay of 0.01.
OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry({"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0}, _sgd, 1, documented=True),
    "nag": OptimizerEntry({"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0}, _nag, 1, documented=True),
    "adam": OptimizerEntry(
        {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "eps": 1e-8}, _adam, 2, documented=True
    ),
    "rmsprop": OptimizerEntry(
        # gamma2 is the momentum of MXNet's centered rule; without it the rule is the plain one. Semantic segmentation
        # takes the centered one: its documentation calls gamma2 a momentum, and at SageMaker's rate of 1e-4 a network
        # from scratch learned steadily with it (loss 1.6 to 0.47 in 60 updates; the plain rule: 1.7 to 0.54).
        {"learning_rate": 0.001, "gamma": 0.9, "gamma2": 0.0, "eps": 1e-8, "weight_decay": 0.0},
        _rmsprop,
        lambda values: 3 if values["gamma2"] else 1,
        documented=True,
    ),
    "adagrad": OptimizerEntry({"learning_rate": 0.01, "eps": 1e-7}, _adagrad, 1, documented=True),
    "adadelta": OptimizerEntry({"rho": 0.9, "eps": 1e-5}, _adadelta, 2, documented=True),
    # Not MXNet's: decay apart from the gradient's averages (Loshchilov and Hutter 2019).
    "adamw": OptimizerEntry(
        {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "eps": 1e-8, "weight_decay": 0.01}, _adamw, 2
    ),
}


@dataclass(frozen=True)
class GroupRules:
    """What parameters differ by. ``base`` are the stages of the base network, whose rate ``base_rate_factor`` changes.

    ``decay_weights_only``: no decay on tensors of one dimension, whatever their network says: biases and the scales and
    shifts of normalization.
    """

    base: Stages = ()
    base_rate_factor: float = 1.0
    decay_weights_only: bool = False


def offered(**documented: str) -> dict[str, frozenset[str]]:
    """Return the optimizers of an algorithm's table and the hyperparameters that each reads there.

    ``documented``: SageMaker's optimizers of this algorithm, each with the names that its documentation gives it,
    separated by blanks: not always all that the rule could read. Those that are not SageMaker's read all they know.
    """
    ours = {name: frozenset(entry.reads) for name, entry in OPTIMIZERS.items() if not entry.documented}
    uses = {name: frozenset(names.split()) for name, names in documented.items()}
    assert all(names <= OPTIMIZERS[name].reads.keys() for name, names in uses.items())
    return uses | ours


def reads_rate(name: str) -> bool:
    """Return whether the learning rate, and so its schedule, has any effect on an optimizer."""
    return "learning_rate" in OPTIMIZERS[name].reads


def build_optimizer(
    network: nn.Module,
    name: str,
    given: Mapping[str, float],
    rules: GroupRules = GroupRules(),
    *,
    may_fuse: bool = True,
) -> Optimizer:
    """Return the optimizer of all parameters that require a gradient; ``given`` are values of hyperparameters."""
    entry = OPTIMIZERS[name]
    assert given.keys() <= entry.reads.keys(), (name, given)
    values = {**entry.reads, **given}
    groups = parameter_groups(network, values.get("learning_rate", 1.0), values.get("weight_decay", 0.0), rules)
    if "learning_rate" not in values:
        groups = [{**group, "lr": 1.0} for group in groups]
    return entry.rule(groups, values, may_fuse and _can_fuse(groups))


def parameter_groups(
    network: nn.Module, learning_rate: float, weight_decay: float, rules: GroupRules = GroupRules()
) -> Groups:
    """Return the trainable parameters, grouped by rate and decay, in the order in which the network lists them.

    As in MXNet decay is for weights and BatchNorm gammas (both are called ``weight`` in torch), not for
    biases, betas or any other role. A network may set ``weight_decay_multiplier`` and
    ``learning_rate_multiplier`` on a parameter tensor; they replace that rule and the rate's factor of 1.
    """
    by_multipliers: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = _multipliers(name, parameter, rules)
            by_multipliers.setdefault(key, []).append(parameter)
    if not by_multipliers:
        raise UserError(
            "every parameter of the network is frozen, so there is nothing to train; "
            "freeze fewer layers (run.freeze, freeze_layer_pattern)"
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
    import torch

    buffers = [state.get("momentum_buffer") for state in optimizer.state.values()]
    present = [buffer for buffer in buffers if buffer is not None]
    if present:
        torch._foreach_mul_(present, ratio)


def _multipliers(name: str, parameter: Tensor, rules: GroupRules) -> tuple[float, float]:
    role = name.rpartition(".")[2]
    decay = getattr(parameter, "weight_decay_multiplier", 1.0 if role in _DECAYED_ROLES else 0.0)
    if rules.decay_weights_only and parameter.dim() <= 1:
        decay = 0.0
    rate = getattr(parameter, "learning_rate_multiplier", 1.0)
    if is_in(name, rules.base):
        rate *= rules.base_rate_factor
    return float(rate), float(decay)


def _can_fuse(groups: Groups) -> bool:
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(p.device.type in _FUSED_DEVICES and p.is_floating_point() for p in parameters)
