from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.nn.memory_format import memory_format


@pytest.mark.parametrize(
    ("layer", "wanted", "expected"),
    [
        (nn.Conv2d(16, 8, 1, stride=2), True, torch.channels_last),
        (nn.Conv2d(16, 8, 1, stride=2), False, torch.contiguous_format),
        (nn.Conv2d(12, 8, 1, stride=2), True, torch.contiguous_format),
        (nn.Conv2d(4, 8, 1, stride=(1, 2)), True, torch.contiguous_format),
        (nn.Conv2d(12, 8, 1), True, torch.channels_last),
        (nn.Conv2d(3, 8, 7, stride=2), True, torch.channels_last),
        (nn.Linear(4, 4), True, torch.channels_last),
    ],
)
def test_narrow_strided_convolutions_are_not_trained_channels_last(
    layer: nn.Module, wanted: bool, expected: torch.memory_format
) -> None:
    assert memory_format(nn.Sequential(nn.ReLU(), layer), channels_last=wanted) is expected
