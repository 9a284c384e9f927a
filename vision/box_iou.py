"""Intersection over union of boxes (IoU), in NumPy for metrics and tools and in torch for detectors.

Legend: M and A boxes, P pairs. Boxes are xyxy in any one unit, coordinates continuous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def iou_of_pairs(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU float64 [...] of boxes [..., 4] with others [..., 4] that broadcast; 0 where the union is empty.

    A box that ends before it begins overlaps nothing.
    """
    boxes, others = boxes.astype(np.float64), others.astype(np.float64)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    common = sides.clip(min=0.0).prod(axis=-1)
    union = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) + (others[..., 2:] - others[..., :2]).prod(axis=-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def iou_matrix(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU float64 [M, A] of each of boxes [M, 4] with each of others [A, 4]."""
    return iou_of_pairs(boxes[:, None], others[None])


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU [..., M, A] of boxes [..., M, 4] with others [A, 4] or [..., A, 4]; 0 where the union is empty."""
    x_min, y_min, x_max, y_max = boxes.unsqueeze(-2).unbind(-1)
    other_x_min, other_y_min, other_x_max, other_y_max = others.unsqueeze(-3).unbind(-1)
    width = (x_max.minimum(other_x_max) - x_min.maximum(other_x_min)).clamp_(min=0.0)
    height = (y_max.minimum(other_y_max) - y_min.maximum(other_y_min)).clamp_(min=0.0)
    intersection = width.mul_(height)
    area = (x_max - x_min) * (y_max - y_min)
    other_area = (other_x_max - other_x_min) * (other_y_max - other_y_min)
    union = (area + other_area).sub_(intersection)
    return (intersection / union).where(union > 0, 0.0)


def iou_of_areas(intersection: Tensor, area: Tensor, other_area: Tensor) -> Tensor:
    """Return the IoU [P] of pairs from the areas [P] of both boxes and of what they share; NaN for an empty union.

    ``intersection`` and ``area`` are overwritten: of many pairs, new memory takes longer than the arithmetic.
    """
    return intersection.div_(area.add_(other_area).sub_(intersection))
