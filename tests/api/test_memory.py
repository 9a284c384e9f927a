from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.api.memory import training_memory_bytes


class Small(nn.Module):
    """1x1 convolution from 3 to 2 channels with bias (8 weights), then ReLU: two outputs of 2x4x4 floats an image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(images.float()))


# 8 weights of 4 bytes: themselves, gradients, momentum; adam has one more. 2 x 32 x 4 bytes an image.
CASES = [("sgd", 1, 8 * 4 * 3 + 256), ("sgd", 10, 8 * 4 * 3 + 2560), ("adam", 10, 8 * 4 * 4 + 2560)]


@pytest.mark.parametrize(("optimizer", "batch", "expected"), CASES)
def test_counts_weights_and_outputs(optimizer: str, batch: int, expected: int) -> None:
    images = torch.zeros(5, 3, 4, 4, dtype=torch.uint8)
    assert training_memory_bytes(Small(), images, batch, optimizer) == expected
