"""The settings under which MXNet 1.9.1 recorded trajectories (optimizers.npz), and the gradients it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

UPDATES = 50
WEIGHTS = 8


@dataclass(frozen=True)
class Case:
    """``mxnet`` are the keywords of MXNet's class and ``ours`` the same in hyperparameters.

    The rate is multiplied by 0.1 at the updates ``steps``, counted from 0. ``tolerance``: what the rule may be off,
    as a share of the way that a weight went.
    """

    optimizer: str
    ours: Mapping[str, float]
    mxnet: Mapping[str, float]
    steps: tuple[int, ...] = ()
    tolerance: float = 1e-5


def _momentum(optimizer: str, momentum: float, weight_decay: float, *steps: int) -> Case:
    ours = {"learning_rate": 0.1, "momentum": momentum, "weight_decay": weight_decay}
    mxnet = {"learning_rate": 0.1, "momentum": momentum, "wd": weight_decay}
    # Nesterov's velocity decays by the weight before the update, MXNet's by the one after it.
    tolerance = 0.1 * weight_decay / (1 - momentum) if optimizer == "nag" else 0.0
    return Case(optimizer, ours, mxnet, steps, 1e-5 + tolerance)


def _adam(eps: float, beta_1: float = 0.9, beta_2: float = 0.999, *steps: int) -> Case:
    ours = {"learning_rate": 0.01, "beta_1": beta_1, "beta_2": beta_2, "eps": eps}
    return Case("adam", ours, {"learning_rate": 0.01, "beta1": beta_1, "beta2": beta_2, "epsilon": eps}, steps)


def _rmsprop(eps: float, gamma: float, weight_decay: float, *steps: int) -> Case:
    ours = {"learning_rate": 0.01, "gamma": gamma, "eps": eps, "weight_decay": weight_decay}
    mxnet = {"learning_rate": 0.01, "gamma1": gamma, "epsilon": eps, "wd": weight_decay}
    return Case("rmsprop", ours, mxnet, steps)


CASES = {
    "sgd": _momentum("sgd", 0.9, 0.0005),
    "sgd-plain": _momentum("sgd", 0.0, 0.01),
    "sgd-drops": _momentum("sgd", 0.9, 0.01, 20, 35),
    "nag": _momentum("nag", 0.9, 0.0001),
    "nag-plain": _momentum("nag", 0.0, 0.0001),
    "nag-drops": _momentum("nag", 0.9, 0.0, 20, 35),
    "nag-decay-drops": _momentum("nag", 0.5, 0.01, 20, 35),
    "adam": _adam(1e-8),
    "adam-eps-1": _adam(1.0),
    "adam-eps-0.01-drops": _adam(0.01, 0.8, 0.9, 20, 35),
    "adam-without-memory": _adam(1e-3, 0.0, 0.0),
    "rmsprop": _rmsprop(1e-8, 0.9, 0.0),
    "rmsprop-eps-1": _rmsprop(1.0, 0.5, 0.0),
    "rmsprop-decay-drops": _rmsprop(1e-3, 0.9, 0.05, 20, 35),
    # Neither rate nor drops touch MXNet's adadelta, and its own defaults are what object detection runs with.
    "adadelta": Case("adadelta", {}, {"learning_rate": 0.5}, (20, 35)),
    "adadelta-eps-0.01": Case("adadelta", {"rho": 0.5, "eps": 0.01}, {"rho": 0.5, "epsilon": 0.01}),
}


def problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights float32 [WEIGHTS] and gradients float32 [UPDATES, WEIGHTS] from 1e-6 to 1: small ones show where eps is.

    From the generator's raw bits alone, which are the same in every version of NumPy.
    """
    bits = np.random.PCG64(seed).random_raw((UPDATES + 1) * WEIGHTS) >> np.uint64(11)
    uniform = (bits / 2.0**52 - 1).reshape(UPDATES + 1, WEIGHTS)
    sizes = 10.0 ** np.linspace(-6, 0, WEIGHTS)
    # A constant part, so that the weights go somewhere.
    return uniform[0].astype(np.float32), ((uniform[1:] + 0.5) * sizes).astype(np.float32)
