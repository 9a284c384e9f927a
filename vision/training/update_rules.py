"""The update rules of MXNet that torch computes differently, or not safely in float16.

Legend: w weight, g gradient, t number of the update, from 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class SGD(torch.optim.SGD):
    """torch's SGD, with a velocity that starts at 0 in two cases in which its fused kernel has none.

    Where the scaler of float16 leaves out the first update, that kernel returns at once, and what it was to write the
    velocity into stays undefined. Where a parameter was frozen at first, it fails.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # At a first update that is made the kernel itself starts all of a group.
        is_scaled = getattr(self, "found_inf", None) is not None
        for group in self.param_groups:
            if group["momentum"] != 0:
                moving = [self.state[parameter] for parameter in group["params"] if parameter.grad is not None]
                if is_scaled or any(state.get("momentum_buffer") is not None for state in moving):
                    self._start_velocity(group["params"])
        super().step()
        return loss

    def _start_velocity(self, parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if parameter.grad is not None and self.state[parameter].get("momentum_buffer") is None:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


class RMSProp(Optimizer):
    """Non-centered RMSProp without momentum, with MXNet's place for epsilon.

    n = gamma * n + (1 - gamma) * g**2;  w -= rate * g / sqrt(n + eps), where g includes weight_decay * w.
    torch.optim.RMSprop divides by sqrt(n) + eps instead. With the default eps of 1e-8 that is another
    algorithm: MXNet's divisor is at least 1e-4, so gradients below 1e-4 (common late in training) make
    small steps, where torch's makes steps of nearly the full rate.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], lr: float, gamma: float, eps: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "gamma": gamma, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            pairs = [(parameter, parameter.grad) for parameter in group["params"] if parameter.grad is not None]
            if pairs:
                self._update([pair[0] for pair in pairs], [pair[1] for pair in pairs], group)
        return loss

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        gradients = self._decayed(parameters, gradients, group)
        divisors = torch._foreach_add(self._mean_squares(parameters, gradients, group["gamma"]), group["eps"])
        torch._foreach_sqrt_(divisors)
        torch._foreach_addcdiv_(parameters, gradients, divisors, -group["lr"])

    def _decayed(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        if group["weight_decay"] == 0:
            return gradients
        return list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))

    def _mean_squares(self, parameters: list[Tensor], gradients: list[Tensor], gamma: float) -> list[Tensor]:
        """Return the averages of the squared gradients, with these taken in."""
        mean_squares = [self._average(parameter, "mean_square") for parameter in parameters]
        torch._foreach_mul_(mean_squares, gamma)
        torch._foreach_addcmul_(mean_squares, gradients, gradients, 1 - gamma)
        return mean_squares

    def _average(self, parameter: Tensor, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        return state[name]


class CenteredRMSProp(RMSProp):
    """MXNet's centered RMSProp (Graves 2013), which has momentum.

    n as above;  m = gamma * m + (1 - gamma) * g;  d = momentum * d - rate * g / sqrt(n - m**2 + eps);  w += d.
    With a momentum of 0.9 it goes about ten times as far as the plain rule.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        gamma: float,
        momentum: float,
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, gamma, eps, weight_decay)
        for group in self.param_groups:
            group["momentum"] = momentum

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        gradients = self._decayed(parameters, gradients, group)
        mean_squares = self._mean_squares(parameters, gradients, group["gamma"])
        means = [self._average(parameter, "mean") for parameter in parameters]
        torch._foreach_lerp_(means, gradients, 1 - group["gamma"])
        variances = list(torch._foreach_addcmul(mean_squares, means, means, -1))
        # Rounding can make it slightly negative, which eps need not outweigh.
        torch._foreach_clamp_min_(variances, 0.0)
        torch._foreach_add_(variances, group["eps"])
        torch._foreach_sqrt_(variances)
        deltas = [self._average(parameter, "delta") for parameter in parameters]
        torch._foreach_mul_(deltas, group["momentum"])
        torch._foreach_addcdiv_(deltas, gradients, variances, -group["lr"])
        torch._foreach_add_(parameters, deltas)


class Adam(torch.optim.Adam):
    """torch's Adam with MXNet's meaning of ``eps``.

    MXNet adds eps to the root of the second moment before that is corrected for its start at 0, torch after it. They
    are equal if torch is given eps / sqrt(1 - beta_2**t): 32 times eps at the first update with beta_2 of 0.999, and
    eps in the end.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float, fused: bool
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, fused=fused)
        self._eps = eps
        self._updates: int | None = None
        # The host has to know how many updates were made. So the scaler of float16 asks for those to leave out, where
        # torch would have the fused kernel leave them out in silence.
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._updates is None:
            self._updates = max((int(state["step"]) for state in self.state.values()), default=0)
        self._updates += 1
        for group in self.param_groups:
            group["eps"] = self._eps / math.sqrt(1 - group["betas"][1] ** self._updates)
        super().step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the saved number of updates."""
        super().load_state_dict(state_dict)
        self._updates = None
