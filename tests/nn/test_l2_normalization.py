from __future__ import annotations

import torch

from vision.nn.l2_normalization import L2Normalization


def test_hand_computed() -> None:
    layer = L2Normalization(2)
    layer.scale.data[0, 1] = 10.0
    x = torch.tensor([3.0, 4.0, 0.0, 0.0, 6.0, 8.0]).reshape(1, 3, 2, 1).permute(0, 2, 1, 3)
    # Positions (3,4), (0,0), (6,8): unit vectors (.6,.8), (0,0), (.6,.8), times 20 and 10.
    got = layer(x)[0, :, :, 0].T
    torch.testing.assert_close(got, torch.tensor([[12.0, 8.0], [0.0, 0.0], [12.0, 8.0]]))


def test_half_precision_neither_overflows_nor_changes_dtype() -> None:
    x = torch.full((1, 512, 1, 1), 300.0, dtype=torch.float16)
    got = L2Normalization(512)(x)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.float(), torch.full((1, 512, 1, 1), 20 / 512**0.5), rtol=1e-3, atol=0)


def test_scale_learns_and_a_zero_position_has_a_finite_gradient() -> None:
    layer = L2Normalization(3)
    x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    layer(x).sum().backward()
    assert layer.scale.grad is not None
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
