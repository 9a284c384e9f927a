"""The matcher for the CPU: looks only at pairs of object and anchor that can matter.

Legend: N batch, A anchors, M padded objects, G objects of the whole batch, S anchor shapes, U extents along
one axis, P candidate pairs. Boxes are xyxy in unit coordinates.

The anchors of one shape are a grid, so an intersection is the product of an overlap along x and one along y,
and a few hundred extents per axis stand for thousands of anchors. From them follow bounds on every IoU; the
pairs that reach the needed IoU are listed, and only they are computed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vision.algorithms.object_detection.anchors import Anchors
from vision.algorithms.object_detection.indexing import where
from vision.box_iou import iou_of_areas

# Share of its best IoU down to which an object's anchors are listed, in case others take the best ones.
_SPARE = 0.6
# Bounds are computed in another order than IoUs; this relative margin is far above float32's rounding.
_MARGIN = 1e-4
# Any overlap at all.
_SMALLEST = 1e-37


@dataclass(frozen=True)
class _Axis:
    """Extents along one axis, shape after shape.

    ``low``, ``high``, ``length`` float32 [U]; ``shape`` int64 [U]: which shape an extent belongs to.

    ``anchor_part`` int64 [U]: an anchor's index is the sum of the parts of its two extents. ``shortest`` and
    ``longest`` float32 [S]: the extent of each shape (equal but for rounding, or clipping at the border).
    """

    low: Tensor
    high: Tensor
    length: Tensor
    shape: Tensor
    anchor_part: Tensor
    shortest: Tensor
    longest: Tensor
    cells: tuple[tuple[int, int], ...]  # (shapes, cells along this axis) of each grid

    def overlap(self, boxes_low: Tensor, boxes_high: Tensor) -> Tensor:
        """Length [G, U] that each box has in common with each extent."""
        left = torch.maximum(boxes_low.unsqueeze(1), self.low)
        return torch.minimum(boxes_high.unsqueeze(1), self.high).sub_(left).clamp_(min=0.0)

    def largest(self, overlap: Tensor) -> Tensor:
        """Largest overlap [G, S] with any extent of a shape."""
        parts = overlap.split([shapes * cells for shapes, cells in self.cells], dim=1)
        return torch.cat(
            [part.unflatten(1, size).amax(dim=2) for part, size in zip(parts, self.cells, strict=True)], dim=1
        )


@dataclass(frozen=True)
class _Pairs:
    """``item`` int64 [P] (0..G-1), ``anchor`` int64 [P], ``iou`` float32 [P]."""

    item: Tensor
    anchor: Tensor
    iou: Tensor


def match_candidate_pairs(
    anchors: Anchors,
    boxes: Tensor,
    labels: Tensor,
    *,
    min_bipartite_iou: float,
    overlap_threshold: float,
    far_threshold: float,
) -> tuple[Tensor, Tensor]:
    """Object index int64 [N, A] (-1 for none) and is-far bool [N, A], as ``matcher.Matches`` has them."""
    num_images, num_anchors = labels.shape[0], anchors.boxes_xyxy_unit.shape[0]
    object_index = torch.full((num_images * num_anchors,), -1)
    is_far = torch.ones(num_images * num_anchors, dtype=torch.bool)
    valid = where(labels >= 0)
    image, slot = _divide(valid, max(labels.shape[1], 1))
    finder = _PairFinder(anchors, boxes.flatten(0, 1).index_select(0, valid))
    wanted = min(far_threshold, overlap_threshold) if overlap_threshold > 0 else far_threshold
    needed = (finder.best_iou * _SPARE).clamp(max=wanted)
    while True:
        pairs = finder.pairs(needed)
        cell = (image * num_anchors).index_select(0, pairs.item).add_(pairs.anchor)
        own_cell, own_iou = _bipartite(pairs, cell, len(image), min_bipartite_iou)
        # Below the needed IoU the list is not complete: objects matched there are compared with all anchors.
        is_short = (own_iou < needed) & (needed > 0) & (finder.best_iou > 0)
        if not is_short.any():
            break
        needed = needed.masked_fill(is_short, 0.0)

    is_far[cell.index_select(0, where(pairs.iou >= far_threshold))] = False
    if overlap_threshold > 0:
        above = where(pairs.iou > overlap_threshold)
        item, cell, iou = (values.index_select(0, above) for values in (pairs.item, cell, pairs.iou))
        # NumPy keeps the last of several values for one place.
        order = _rank(iou, item).argsort()
        object_index.numpy()[cell.index_select(0, order).numpy()] = slot[item.index_select(0, order)].numpy()
    is_matched = where(own_cell >= 0)
    object_index[own_cell[is_matched]] = slot[is_matched]
    return object_index.view(num_images, -1), is_far.view(num_images, -1)


class _PairFinder:
    """Finds the anchors that reach a given IoU with each of some boxes [G, 4].

    ``best_iou`` [G] is each box's largest IoU with any anchor, less a margin for rounding.
    """

    def __init__(self, anchors: Anchors, boxes: Tensor) -> None:
        x_min, y_min, x_max, y_max = boxes.unbind(1)
        self._columns, self._rows = _axes(anchors)
        self._area = (x_max - x_min) * (y_max - y_min)
        self._overlap_x = self._columns.overlap(x_min, x_max)
        self._overlap_y = self._rows.overlap(y_min, y_max)
        self._largest_x = self._columns.largest(self._overlap_x)
        self._largest_y = self._rows.largest(self._overlap_y)
        intersection = self._largest_x * self._largest_y
        union = self._columns.longest * self._rows.longest + self._area.unsqueeze(1) - intersection
        self.best_iou = (intersection / union.clamp(min=1e-30)).amax(dim=1) * (1 - _MARGIN)

    def pairs(self, needed_iou: Tensor) -> _Pairs:
        """Return all pairs with at least the needed IoU [G] and some that have less; each overlaps."""
        share = (needed_iou / (1 + needed_iou) * (1 - _MARGIN)).unsqueeze(1)
        needed = share * (self._columns.shortest * self._rows.shortest + self._area.unsqueeze(1))
        needed_x = (needed / self._largest_y).clamp_(min=_SMALLEST).index_select(1, self._columns.shape)
        needed_y = (needed / self._largest_x).clamp_(min=_SMALLEST).index_select(1, self._rows.shape)
        in_x, in_y = where(self._overlap_x >= needed_x), where(self._overlap_y >= needed_y)
        item, column = _divide(in_x, self._overlap_x.shape[1])
        item_y, row = _divide(in_y, self._overlap_y.shape[1])

        # Join columns and rows of the same box and shape.
        num_shapes = len(self._columns.shortest)
        group = item * num_shapes + self._columns.shape.index_select(0, column)
        group_y = item_y * num_shapes + self._rows.shape.index_select(0, row)
        count = torch.bincount(group_y, minlength=len(needed_iou) * num_shapes)
        start = count.cumsum(0) - count
        repeats = count.index_select(0, group)
        left = torch.repeat_interleave(repeats)
        first_right = start.index_select(0, group) - (repeats.cumsum(0) - repeats)
        right = torch.arange(len(left)) + first_right.index_select(0, left)

        # What belongs to a column or a row is looked up before it is spread over the pairs.
        columns, rows, boxes_area = self._columns, self._rows, self._area.index_select(0, item)
        overlap_x = self._overlap_x.view(-1).index_select(0, in_x)
        overlap_y = self._overlap_y.view(-1).index_select(0, in_y)
        intersection = overlap_x.index_select(0, left) * overlap_y.index_select(0, right)
        width = columns.length.index_select(0, column).index_select(0, left)
        height = rows.length.index_select(0, row).index_select(0, right)
        iou = iou_of_areas(intersection, width * height, boxes_area.index_select(0, left))
        anchor = columns.anchor_part.index_select(0, column).index_select(0, left)
        anchor += rows.anchor_part.index_select(0, row).index_select(0, right)
        return _Pairs(item.index_select(0, left), anchor, iou)


def _bipartite(pairs: _Pairs, cell: Tensor, num_items: int, min_iou: float) -> tuple[Tensor, Tensor]:
    """Each item's own cell int64 [G] (-1 for none) and the IoU there, by deferred acceptance.

    See ``matcher._bipartite``; ``cell`` [P] is an anchor of an image, for which the items compete.
    """
    usable = where(pairs.iou > min_iou)
    item, cell, iou = (values.index_select(0, usable) for values in (pairs.item, cell, pairs.iou))
    as_offer, as_proposal = _rank(iou, item), _rank(iou, cell)
    strongest_offer = torch.full((int(cell.max()) + 1 if len(cell) else 0,), -1)
    while True:
        best = torch.full((num_items,), -1).scatter_reduce_(0, item, as_proposal, "amax")
        proposed = where(as_proposal == best.index_select(0, item))
        strongest_offer.scatter_reduce_(0, cell[proposed], as_offer[proposed], "amax")
        if not (as_offer[proposed] < strongest_offer[cell[proposed]]).any():
            break
        # Refused pairs fall behind every other one, also behind "none".
        as_proposal.masked_fill_(as_offer < strongest_offer.index_select(0, cell), -2)
    own_cell, own_iou = torch.full((num_items,), -1), torch.zeros(num_items)
    own_cell[item[proposed]], own_iou[item[proposed]] = cell[proposed], iou[proposed]
    return own_cell, own_iou


def _divide(index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Row and column of a flat index into rows of this size."""
    row = torch.div(index, size, rounding_mode="floor")
    return row, index - row * size


def _rank(iou: Tensor, index: Tensor) -> Tensor:
    """Unique int64 keys: the larger IoU first, then the lower index. Positive floats sort like their bits."""
    return (iou.view(torch.int32).long() << 32) | (0xFFFFFFFF - index)


@lru_cache(maxsize=4)
def _axes(anchors: Anchors) -> tuple[_Axis, _Axis]:
    columns, rows = [], []
    first = 0
    for grid in anchors.grids:
        last = first + grid.num_anchors
        boxes = anchors.boxes_xyxy_unit[first:last].view(grid.height, grid.width, grid.per_cell, 4)
        index = torch.arange(first, last).view(grid.height, grid.width, grid.per_cell)
        columns.append((boxes[0, :, :, 0::2].transpose(0, 1), index[0].T))
        rows.append((boxes[:, 0, :, 1::2].transpose(0, 1), index[:, 0].T - index[0, 0].unsqueeze(1)))
        first = last
    return _axis(columns), _axis(rows)


def _axis(grids: list[tuple[Tensor, Tensor]]) -> _Axis:
    """From each grid's extents [shapes, cells, 2] and anchor parts [shapes, cells]."""
    extents = torch.cat([extent.flatten(0, 1) for extent, _ in grids])
    cells = tuple((part.shape[0], part.shape[1]) for _, part in grids)
    lengths = [extent[..., 1] - extent[..., 0] for extent, _ in grids]
    return _Axis(
        low=extents[:, 0].contiguous(),
        high=extents[:, 1].contiguous(),
        length=extents[:, 1] - extents[:, 0],
        shape=torch.repeat_interleave(torch.tensor([count for shapes, count in cells for _ in range(shapes)])),
        anchor_part=torch.cat([part.flatten() for _, part in grids]),
        shortest=torch.cat([length.amin(dim=1) for length in lengths]),
        longest=torch.cat([length.amax(dim=1) for length in lengths]),
        cells=cells,
    )
