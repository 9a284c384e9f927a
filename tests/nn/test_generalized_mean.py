from __future__ import annotations

import pytest
import torch

from vision.nn.generalized_mean import generalized_mean


def test_by_hand() -> None:
    maps = torch.tensor([[[[0.0, 2.0]], [[3.0, 3.0]], [[-5.0, -1.0]]]])
    # (0 + 8) / 2 = 4, whose cube root is 1.5874; equal cells keep their value; negative ones count as none.
    assert generalized_mean(maps)[0].tolist() == pytest.approx([4 ** (1 / 3), 3.0, 0.0], abs=1e-5)
