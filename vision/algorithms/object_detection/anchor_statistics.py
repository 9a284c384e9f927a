"""How well the anchors fit the true boxes. Legend: A anchors, M objects."""

from __future__ import annotations

import numpy as np

from vision.box_iou import iou_matrix
from vision.metrics.evaluation import Table

# Enough for shares that are right to a few percent; all boxes of a large data set would take minutes.
MOST_OBJECTS = 2000
_CHUNK = 128
SIZES_PX = (16, 32, 64, 128, 256)


class AnchorStatistics:
    """Of the objects of each size the share that has an anchor above the matching threshold.

    Objects below it train only the one anchor that overlaps them most. The table is made once: the objects of a
    channel and the anchors stay the same from epoch to epoch.
    """

    def __init__(self, anchors_xyxy_unit: np.ndarray, image_size_px: int, match_threshold: float) -> None:
        self.anchors = anchors_xyxy_unit
        self.image_size_px = image_size_px
        self.match_threshold = match_threshold
        self._table: Table | None = None

    def table(self, boxes_xyxy_unit: np.ndarray) -> Table:
        """The table for true boxes [M, 4], of which 2000 are looked at, evenly chosen."""
        if self._table is None:
            step = max(-(-len(boxes_xyxy_unit) // MOST_OBJECTS), 1)
            self._table = self._of(boxes_xyxy_unit[::step])
        return self._table

    def _of(self, boxes: np.ndarray) -> Table:
        parts = [
            iou_matrix(boxes[start : start + _CHUNK], self.anchors).max(axis=1)
            for start in range(0, len(boxes), _CHUNK)
        ]
        best = np.concatenate([*parts, np.empty(0)])
        size = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) * self.image_size_px
        group = np.searchsorted(SIZES_PX, size, side="right")
        names = [f"below {SIZES_PX[0]} px", *(f"from {low} px" for low in SIZES_PX)]
        rows = [self._row(name, best[group == place]) for place, name in enumerate(names)]
        shares = (f"share with an anchor above IoU {self.match_threshold:g}", "mean best IoU")
        return Table(
            "Anchors",
            (f"size of the object at {self.image_size_px} px", "objects", *shares),
            (*rows, self._row("all", best)),
            shares=shares,
        )

    def _row(self, name: str, best_iou: np.ndarray) -> tuple[str, int, float | None, float | None]:
        if not len(best_iou):
            return name, 0, None, None
        return name, len(best_iou), float((best_iou > self.match_threshold).mean()), float(best_iou.mean())
