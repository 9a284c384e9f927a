from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.training.memory import TrainingMemory, measure_training_memory


class Small(nn.Module):
    """1x1 convolution from 3 to 2 channels with bias (8 weights), which keeps its input of 3x4x4 floats an image; ReLU
    in place and twice, which keeps its output of 2x4x4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.conv(images.float())))


# 8 weights of 4 bytes: themselves, gradients, what the optimizer keeps. 48 + 32 floats of 4 bytes an image.
CASES = [(1, 1, 8 * 4 * 3 + 320), (1, 10, 8 * 4 * 3 + 3200), (2, 10, 8 * 4 * 4 + 3200)]


@pytest.mark.parametrize(("averages", "batch", "expected"), CASES)
def test_counts_weights_and_what_is_kept_once(averages: int, batch: int, expected: int) -> None:
    images = torch.zeros(5, 3, 4, 4, dtype=torch.uint8)
    assert measure_training_memory(Small(), images, averages).bytes_of(batch) == expected


@pytest.mark.parametrize(("available", "fitting"), [(99, 0), (100, 0), (109, 0), (110, 1), (205, 10)])
def test_the_largest_batch_fits(available: int, fitting: int) -> None:
    assert TrainingMemory(100, 10).largest_batch(available) == fitting
