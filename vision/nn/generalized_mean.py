"""Generalized-mean pooling (Radenovic et al. 2018), which makes one vector of a feature map for image retrieval."""

from __future__ import annotations

from torch import Tensor

# Between the mean (1) and the maximum (infinity); the value at which the paper begins.
POWER = 3.0
_LEAST = 1e-6


def generalized_mean(maps: Tensor) -> Tensor:
    """Return the generalized mean over the cells of maps [N, C, h, w], as [N, C]. Negative values count as none."""
    return maps.float().clamp(min=_LEAST).pow(POWER).mean(dim=(2, 3)).pow(1.0 / POWER)
