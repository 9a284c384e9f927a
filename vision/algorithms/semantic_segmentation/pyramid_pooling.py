"""What decoders add to a feature map so that each cell knows of its surroundings: PSPNet's pyramid, DeepLab's ASPP.

Legend: N batch, C channels, H and W cells of the map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PYRAMID_CELLS = (1, 2, 3, 6)
ASPP_DILATIONS = (12, 24, 36)
ASPP_WIDTH = 256


class SingleValueBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization that uses its running statistics where a batch has one value a channel.

    A pooled map of a single image is such a batch: its variance is 0, and torch refuses it in training.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def pool(x: Tensor, cells: int) -> Tensor:
    """Average [N,C,H,W] to [N,C,cells,cells], as adaptive_avg_pool2d does.

    By products of matrices, because ONNX has no such pooling of maps whose size is open.
    """
    rows, columns = (_shares(size, cells, x) for size in x.shape[2:])
    return rows @ (x @ columns.T)


def _shares(size: int, cells: int, like: Tensor) -> Tensor:
    """Return how much each of ``size`` places counts in each cell, [cells, size]; the rows add up to 1."""
    place = torch.arange(size, device=like.device)
    cell = torch.arange(cells, device=like.device).unsqueeze(1)
    first, behind = cell * size // cells, -(-(cell + 1) * size // cells)
    return ((place >= first) & (place < behind)).to(like.dtype) / (behind - first).to(like.dtype)


def _conv_norm(in_channels: int, out_channels: int, kernel: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(in_channels, out_channels, kernel, 1, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class PooledBranch(nn.Sequential):
    """Averages over ``cells`` x ``cells`` parts of the map, behind a 1x1 convolution, at the map's size again.

    The layers have the numbers of torchvision's ASPPPooling, where 0 is the pooling.
    """

    def __init__(self, in_channels: int, out_channels: int, cells: int, *, align_corners: bool) -> None:
        super().__init__()
        self.cells = cells
        self.align_corners = align_corners
        self.add_module("1", nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.add_module("2", SingleValueBatchNorm2d(out_channels) if cells == 1 else nn.BatchNorm2d(out_channels))
        self.add_module("3", nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = super().forward(pool(x, self.cells))
        return F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=self.align_corners)


class PyramidPooling(nn.Module):
    """PSPNet: the map and its averages over 1, 4, 9 and 36 parts, ``out_channels`` = 2 ``in_channels``."""

    def __init__(self, in_channels: int, *, align_corners: bool) -> None:
        super().__init__()
        width = in_channels // len(PYRAMID_CELLS)
        self.out_channels = in_channels + width * len(PYRAMID_CELLS)
        self.branches = nn.ModuleList(
            PooledBranch(in_channels, width, cells, align_corners=align_corners) for cells in PYRAMID_CELLS
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(branch(x) for branch in self.branches)], dim=1)


class ASPP(nn.Module):
    """DeepLab V3: the map through convolutions of several dilations, and its average; keys are torchvision's."""

    def __init__(self, in_channels: int, *, align_corners: bool) -> None:
        super().__init__()
        self.out_channels = ASPP_WIDTH
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*_conv_norm(in_channels, ASPP_WIDTH)),
                *(nn.Sequential(*_conv_norm(in_channels, ASPP_WIDTH, 3, rate)) for rate in ASPP_DILATIONS),
                PooledBranch(in_channels, ASPP_WIDTH, 1, align_corners=align_corners),
            ]
        )
        self.project = nn.Sequential(*_conv_norm(len(self.convs) * ASPP_WIDTH, ASPP_WIDTH), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.project(torch.cat([branch(x) for branch in self.convs], dim=1))
        return projected
