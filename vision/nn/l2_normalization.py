"""L2 normalisation over channels with a learnable scale, as SSD applies it to relu4_3 (ParseNet)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class L2Normalization(nn.Module):
    """``scale * x / sqrt(sum over channels of x^2 + eps)``, each position by itself.

    MXNet's operator with mode "channel" and eps 1e-10. ``scale`` has shape [1,C,1,1], as MXNet stores
    ``relu4_3_scale``; 20 is SSD's starting value.
    """

    scale: nn.Parameter

    def __init__(self, channels: int, initial_scale: float = 20.0, eps: float = 1e-10) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), initial_scale))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """``x``: [N,C,H,W]; the same shape and dtype out."""
        # Squares of half-precision activations overflow above 255, so the norm is taken in float32.
        wide = x.float()
        norm = wide.square().sum(dim=1, keepdim=True).add(self.eps).sqrt()
        return (wide / norm * self.scale).to(x.dtype)
