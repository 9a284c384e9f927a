"""Greedy non-maximum suppression for a whole batch, without a loop over images, classes or boxes.

Legend: N batch, D candidates of an image by descending score, V valid candidates of the batch, P pairs.
Boxes are xyxy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.algorithms.object_detection.indexing import where
from vision.box_iou import iou_of_areas, pairwise_iou

# Rounds of suppression between two looks at whether anything changed: a look makes an accelerator wait.
_ROUNDS_PER_LOOK = 8


def survivors(boxes: Tensor, groups: Tensor, is_valid: Tensor, iou_threshold: float) -> Tensor:
    """Return which candidates remain, bool [N, D], when each in turn removes what it overlaps among later ones.

    ``boxes`` float32 [N, D, 4]; ``groups`` int64 [N, D], not negative: only boxes of the same group remove each
    other, at an IoU of ``iou_threshold`` or more. Candidates that are not valid neither remain nor remove.

    Start from all; again and again keep exactly those that no kept predecessor removes. After r rounds the
    first r decisions are final, so that this ends, in practice after the longest chain of removals, with the
    one greedy answer.
    """
    if boxes.device.type == "cpu":
        pairs = _removing_pairs(boxes, groups, is_valid, iou_threshold)
        return _settle(pairs, is_valid, rounds_per_look=1)
    iou = pairwise_iou(boxes, boxes)
    removes = ((iou >= iou_threshold) & (groups.unsqueeze(2) == groups.unsqueeze(1))).float().triu_(diagonal=1)
    return _settle(_Matrix(removes), is_valid, rounds_per_look=_ROUNDS_PER_LOOK)


@dataclass(frozen=True)
class _Matrix:
    """``removes`` float32 [N, D, D]: 1 where the row's candidate would remove the column's."""

    removes: Tensor

    def removed(self, keep: Tensor) -> Tensor:
        return torch.bmm(keep.float().unsqueeze(1), self.removes).squeeze(1) > 0


@dataclass(frozen=True)
class _Pairs:
    """``first`` int64 [P] would remove ``second`` int64 [P]: flat indices into [N, D]."""

    first: Tensor
    second: Tensor

    def removed(self, keep: Tensor) -> Tensor:
        acting = where(keep.flatten().index_select(0, self.first))
        removed = torch.zeros(keep.numel(), dtype=torch.bool)
        removed[self.second.index_select(0, acting)] = True
        return removed.view_as(keep)


def _settle(rule: _Matrix | _Pairs, is_valid: Tensor, rounds_per_look: int) -> Tensor:
    keep = is_valid
    for round_index in range(is_valid.shape[1]):
        previous, keep = keep, is_valid & ~rule.removed(keep)
        if (round_index + 1) % rounds_per_look == 0 and torch.equal(keep, previous):
            break
    return keep


def _removing_pairs(boxes: Tensor, groups: Tensor, is_valid: Tensor, iou_threshold: float) -> _Pairs:
    """The pairs of the same image and group that overlap enough: few of all, so that listing them pays."""
    num_images = groups.shape[0]
    valid = where(is_valid)
    image = torch.arange(num_images).unsqueeze(1)
    group = (groups * num_images + image).flatten().index_select(0, valid)
    # Stable, so that inside a group the better score stays in front.
    group, order = group.sort(stable=True)
    candidate = valid.index_select(0, order)
    _, size = torch.unique_consecutive(group, return_counts=True)
    position = torch.arange(len(group))
    followers = torch.repeat_interleave(size.cumsum(0), size) - position - 1
    first = torch.repeat_interleave(followers)
    begin = position + 1 - (followers.cumsum(0) - followers)
    second = torch.arange(len(first)) + begin.index_select(0, first)

    corners = boxes.flatten(0, 1).index_select(0, candidate)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    x_min, y_min, x_max, y_max = (corner.contiguous() for corner in corners.unbind(1))
    width = _common(x_min, x_max, first, second)
    intersection = width.mul_(_common(y_min, y_max, first, second))
    iou = iou_of_areas(intersection, areas.index_select(0, first), areas.index_select(0, second))
    near = where(iou >= iou_threshold)
    return _Pairs(
        candidate.index_select(0, first.index_select(0, near)),
        candidate.index_select(0, second.index_select(0, near)),
    )


def _common(low: Tensor, high: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Length [P] that the extents of both partners of each pair share."""
    start = torch.maximum(low.index_select(0, first), low.index_select(0, second))
    end = torch.minimum(high.index_select(0, first), high.index_select(0, second))
    return end.sub_(start).clamp_(min=0.0)
