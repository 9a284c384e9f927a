"""The pre-activation ResNet ("v2") of MXNet's image-classification example, layer by layer.

Networks for small images (depth 20 to 110) and every model imported from MXNet use it. Modules are named as
MXNet names its layers (``stage1_unit1.conv1`` is ``stage1_unit1_conv1``): see ``mxnet_names``. The pixels
enter raw, 0..255; the batch normalization ``bn_data`` normalizes them. One difference to MXNet on the CPU
stays: its running variance takes the batch's biased variance, PyTorch's (and cuDNN's) the unbiased one, a
factor of n/(n-1) with n pixels a channel in the batch.

Legend: N batch, C channels, H and W in pixels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vision.nn.resnet import Stem

# MXNet's momentum 0.9 weighs the old value, PyTorch's the new one.
MOMENTUM = 0.1
EPS = 2e-5
SMALL_DEPTHS = (20, 32, 44, 56, 110)

# Depth -> (units in each stage, bottleneck units?) for images higher than 28 px (mxnet-facts 4.2).
LARGE_PLANS: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
    200: ((3, 24, 36, 3), True),
    269: ((3, 30, 48, 8), True),
}


@dataclass(frozen=True)
class PreactPlan:
    """What makes one network of the family.

    ``units``: residual units in each stage. ``filters``: output channels of the stem and of each stage.
    ``stem``: "3x3" (stride 1, alone) or "7x7" (stride 2, batch normalisation, ReLU, 3x3 max-pool).
    """

    units: tuple[int, ...]
    filters: tuple[int, ...]
    bottleneck: bool
    stem: Stem
    bn_eps: float = EPS
    input_channels: int = 3

    def __post_init__(self) -> None:
        assert len(self.filters) == len(self.units) + 1, "one width for the stem and one for each stage"
        assert not self.bottleneck or all(width % 4 == 0 for width in self.filters[1:])


def plan_for(depth: int, stem: Stem, input_channels: int = 3) -> PreactPlan:
    """Return MXNet's plan for a depth: 20, 32, 44, 56, 110 in three stages, 18 to 269 in four."""
    if depth in SMALL_DEPTHS:
        units = ((depth - 2) // 6,) * 3
        return PreactPlan(units, (16, 16, 32, 64), False, stem, input_channels=input_channels)
    large_units, bottleneck = LARGE_PLANS[depth]
    filters = (64, 256, 512, 1024, 2048) if bottleneck else (64, 64, 128, 256, 512)
    return PreactPlan(large_units, filters, bottleneck, stem, input_channels=input_channels)


class FixedGammaBatchNorm2d(nn.BatchNorm2d):
    """MXNet's ``fix_gamma=True``: gamma is 1 whatever a file stores, so the state dict has beta only."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(channels, eps=eps, momentum=MOMENTUM)
        # Ones rather than None, for which cuDNN has no kernel.
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        nn.init.zeros_(self.bias)


class PreactUnit(nn.Module):
    """Batch normalization and ReLU come before each convolution; the sum is returned as it is.

    ``projects``: the shortcut is a 1x1 convolution of the activated input, else the raw input itself.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, projects: bool, plan: PreactPlan):
        super().__init__()
        eps = plan.bn_eps
        self.relu = nn.ReLU(inplace=True)
        self.bn1 = nn.BatchNorm2d(in_channels, eps, MOMENTUM)
        if plan.bottleneck:
            width = out_channels // 4
            self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width, eps, MOMENTUM)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn3: nn.BatchNorm2d | None = nn.BatchNorm2d(width, eps, MOMENTUM)
            self.conv3: nn.Conv2d | None = nn.Conv2d(width, out_channels, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out_channels, eps, MOMENTUM)
            self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
            self.bn3 = self.conv3 = None
        self.sc = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if projects else None

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        out = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        if self.bn3 is not None and self.conv3 is not None:
            out = self.conv3(self.relu(self.bn3(out)))
        return out + (x if self.sc is None else self.sc(activated))


class PreactResNetTrunk(nn.Module):
    """Everything up to the last residual sum; SSD uses it without the final ``bn1`` and ``relu1``."""

    def __init__(self, plan: PreactPlan) -> None:
        super().__init__()
        self.plan = plan
        self.channels = {f"stage{i}": width for i, width in enumerate(plan.filters[1:], start=1)}
        """Width of each feature map that ``features`` gives."""
        self.bn_data = FixedGammaBatchNorm2d(plan.input_channels, plan.bn_eps)
        kernel, stride = (7, 2) if plan.stem == "7x7" else (3, 1)
        self.conv0 = nn.Conv2d(plan.input_channels, plan.filters[0], kernel, stride, kernel // 2, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.bn0 = nn.BatchNorm2d(plan.filters[0], plan.bn_eps, MOMENTUM) if plan.stem == "7x7" else None
        for stage, units in enumerate(plan.units, start=1):
            for unit in range(1, units + 1):
                first = unit == 1
                in_channels = plan.filters[stage - 1] if first else plan.filters[stage]
                step = 2 if first and stage > 1 else 1
                module = PreactUnit(in_channels, plan.filters[stage], step, first, plan)
                self.add_module(f"stage{stage}_unit{unit}", module)

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The modules of each stage, the stem first."""
        units = [
            tuple(f"stage{stage}_unit{unit}" for unit in range(1, count + 1))
            for stage, count in enumerate(self.plan.units, start=1)
        ]
        return (("bn_data", "conv0", "bn0"), *units)

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Return the raw residual sum at the end of each stage, "stage1", "stage2", ..., before any BN or ReLU.

        ``x``: raw images [N,C,H,W], 0..255. MXNet calls the sums ``_plusK``: see ``plus_name``.
        """
        x = self.conv0(self.bn_data(x))
        if self.bn0 is not None:
            # Maximum and ReLU may change places, with their gradients; pooled first, ReLU has less work.
            x = self.relu(self.pool(self.bn0(x)))
        sums = {}
        for stage, units in enumerate(self.plan.units, start=1):
            for unit in range(1, units + 1):
                x = self.get_submodule(f"stage{stage}_unit{unit}")(x)
            sums[f"stage{stage}"] = x
        return sums

    def plus_name(self, stage: int) -> str:
        """Return MXNet's automatic name of the sum that ends a stage (1, 2, ...); it numbers all units from 0."""
        return f"_plus{sum(self.plan.units[:stage]) - 1}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the last raw residual sum of raw images [N,C,H,W], 0..255."""
        return self.features(x)[f"stage{len(self.plan.units)}"]


class PreactResNet(PreactResNetTrunk):
    """The trunk with ``bn1``, ReLU, global average pooling and one fully connected layer, ``fc1``."""

    HEAD: ClassVar[str] = "fc1"

    def __init__(self, plan: PreactPlan, num_classes: int) -> None:
        super().__init__(plan)
        self.bn1 = nn.BatchNorm2d(plan.filters[-1], plan.bn_eps, MOMENTUM)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Linear(plan.filters[-1], num_classes)

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        *before, last = super().stages
        return (*before, (*last, "bn1"))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [N,K] of raw images [N,C,H,W], 0..255."""
        return self.fc1(self.avgpool(self.last_map(x)).flatten(1))

    def last_map(self, x: Tensor) -> Tensor:
        """Return what is pooled for the logits, [N,C,h,w], not negative."""
        return self.relu(self.bn1(super().forward(x)))
