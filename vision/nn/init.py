"""How weights start, as in MXNet's examples: weights by a rule, biases 0, batch normalization 1 and 0."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

WeightRule = Callable[[Tensor], object]


def _fans(weight: Tensor) -> tuple[int, int]:
    """Inputs and outputs, times the kernel's area; ``weight``: [out,in] or [out,in,kH,kW]."""
    area = math.prod(weight.shape[2:])
    return weight.shape[1] * area, weight.shape[0] * area


def xavier_gaussian_in(weight: Tensor) -> Tensor:
    """Draw from N(0, 2/fan_in): MXNet's ``Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)``, He's."""
    fan_in, _ = _fans(weight)
    return nn.init.normal_(weight, 0.0, math.sqrt(2.0 / fan_in))


def xavier_uniform_average(weight: Tensor) -> Tensor:
    """Draw from U(-a, a), a = sqrt(3 / mean of the fans): MXNet's default ``Xavier()``, for SSD's and VGG's layers."""
    fan_in, fan_out = _fans(weight)
    bound = math.sqrt(3.0 / ((fan_in + fan_out) / 2))
    return nn.init.uniform_(weight, -bound, bound)


def initialize(module: nn.Module, weight_rule: WeightRule = xavier_gaussian_in) -> None:
    """Start every convolution, fully connected layer and batch normalization inside ``module`` afresh.

    The default rule is the classification example's. Other layers (a normalization's scale)
    keep their values.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear):
            weight_rule(child.weight)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
        elif isinstance(child, nn.BatchNorm2d):
            child.reset_parameters()
