"""Boxes as offsets from anchors, the way SSD learns them, and back.

Legend: A anchors. An offset is (x, y, width, height): center shifts in units of the anchor's extent and the
logarithm of the scale, each divided by its variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BoxCoder:
    """Encodes and decodes float boxes [..., 4] against anchors that broadcast with them."""

    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)

    def encode(self, boxes_xyxy_unit: Tensor, anchors_xyxy_unit: Tensor) -> Tensor:
        """Return the offsets of boxes from anchors. Boxes must have positive extent."""
        anchor_x, anchor_y, anchor_w, anchor_h = _centre_form(anchors_xyxy_unit)
        box_x, box_y, box_w, box_h = _centre_form(boxes_xyxy_unit)
        v0, v1, v2, v3 = self.variances
        return torch.stack(
            (
                (box_x - anchor_x) / anchor_w / v0,
                (box_y - anchor_y) / anchor_h / v1,
                (box_w / anchor_w).log() / v2,
                (box_h / anchor_h).log() / v3,
            ),
            dim=-1,
        )

    def decode(self, offsets: Tensor, anchors_xyxy_unit: Tensor) -> Tensor:
        """Return the boxes (xyxy, unit, not clipped) that the offsets describe."""
        anchor_x, anchor_y, anchor_w, anchor_h = _centre_form(anchors_xyxy_unit)
        v0, v1, v2, v3 = self.variances
        offset_x, offset_y, offset_w, offset_h = offsets.unbind(-1)
        centre_x = offset_x * v0 * anchor_w + anchor_x
        centre_y = offset_y * v1 * anchor_h + anchor_y
        half_w = (offset_w * v2).exp() * anchor_w / 2
        half_h = (offset_h * v3).exp() * anchor_h / 2
        return torch.stack((centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h), dim=-1)


def _centre_form(boxes_xyxy: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x_min, y_min, x_max, y_max = boxes_xyxy.unbind(-1)
    return (x_min + x_max) * 0.5, (y_min + y_max) * 0.5, x_max - x_min, y_max - y_min
