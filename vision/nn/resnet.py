"""ResNet v1.5: the network of torchvision, with torchvision's parameter names, so its ImageNet weights fit.

Written here because serving must not wait the seconds that importing torchvision takes. v1.5 puts the stride
of a bottleneck on its 3x3 convolution. Legend: N batch, C channels, H and W in pixels, K classes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

Stem = Literal["7x7", "3x3"]

# Depth -> (blocks in layer1..layer4, bottleneck blocks?). He et al. 2015, table 1; 200 as MXNet's example.
PLANS: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
    200: ((3, 24, 36, 3), True),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; ``dilations`` of the first and of the second."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        first, second = dilations
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, first, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, second, second, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided) and 1x1 convolutions and a shortcut; the output is four times ``width`` wide.

    Its 3x3 convolution has the first of ``dilations``.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        out_channels = width * self.expansion
        dilation, _ = dilations
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The shortcut's 1x1 convolution where the shape changes; ``None`` is the identity."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class ResNetTrunk(nn.Module):
    """Everything before the head. Its state dict is torchvision's without ``fc.*``.

    ``stem`` "7x7" is the paper's (stride 2, then 3x3 max-pool: 4 pixels a cell); "3x3" has stride 1 and no
    pooling, for images of about 32 px, which the other would shrink to a single cell.
    ``output_stride`` 8 lets layer3 and layer4 keep the size of layer2: their convolutions are dilated instead of
    strided, so that the same weights give the same values, at more places.
    """

    def __init__(self, depth: int, stem: Stem = "7x7", output_stride: Literal[8, 32] = 32) -> None:
        super().__init__()
        blocks, bottleneck = PLANS[depth]
        block = Bottleneck if bottleneck else BasicBlock
        self.channels = {f"layer{i}": 64 * 2 ** (i - 1) * block.expansion for i in range(1, 5)}
        """Width of each feature map that ``features`` gives."""
        kernel, stride = (7, 2) if stem == "7x7" else (3, 1)
        self.conv1 = nn.Conv2d(3, 64, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "7x7" else nn.Identity()
        self.layer1 = _layer(block, 64, 64, blocks[0], stride=1)
        self.layer2 = _layer(block, self.channels["layer1"], 128, blocks[1], stride=2)
        if output_stride == 32:
            self.layer3 = _layer(block, self.channels["layer2"], 256, blocks[2], stride=2)
            self.layer4 = _layer(block, self.channels["layer3"], 512, blocks[3], stride=2)
        else:
            self.layer3 = _layer(block, self.channels["layer2"], 256, blocks[2], stride=1, dilations=(1, 2))
            self.layer4 = _layer(block, self.channels["layer3"], 512, blocks[3], stride=1, dilations=(2, 4))

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The modules of each stage, the stem first."""
        return (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Return the outputs (after ReLU) of ``layer1`` to ``layer4``: 4, 8, 16, 32 px a cell with the 7x7 stem.

        With an output stride of 8 the last two have 8 px a cell, too. ``x``: normalized images [N,3,H,W].
        """
        # The maximum of a window is the same before ReLU and after it, and so is its gradient; this is less work.
        maps = {"layer1": self.layer1(self.relu(self.maxpool(self.bn1(self.conv1(x)))))}
        maps["layer2"] = self.layer2(maps["layer1"])
        maps["layer3"] = self.layer3(maps["layer2"])
        maps["layer4"] = self.layer4(maps["layer3"])
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return the last feature map, ``layer4``, of normalized images [N,3,H,W]."""
        return self.features(x)["layer4"]


def _layer(
    block: type[BasicBlock] | type[Bottleneck],
    in_channels: int,
    width: int,
    count: int,
    stride: int,
    dilations: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """Return ``count`` blocks. ``dilations``: of what stands where the stride would be, and of all behind it."""
    _, behind = dilations
    rest = [block(width * block.expansion, width, 1, (behind, behind)) for _ in range(count - 1)]
    return nn.Sequential(block(in_channels, width, stride, dilations), *rest)


class ResNet(ResNetTrunk):
    """The trunk with global average pooling and one fully connected layer, ``fc``."""

    HEAD: ClassVar[str] = "fc"

    def __init__(self, depth: int, num_classes: int, stem: Stem = "7x7") -> None:
        super().__init__(depth, stem)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.channels["layer4"], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [N,K] of normalized images [N,3,H,W]."""
        return self.fc(self.avgpool(self.last_map(x)).flatten(1))

    def last_map(self, x: Tensor) -> Tensor:
        """Return what is pooled for the logits, [N,C,h,w], not negative."""
        return super().forward(x)
