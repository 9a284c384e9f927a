"""Collects detections and true boxes, image by image, and evaluates them; and how well the anchors fit the boxes.

Legend: N batch, D and M detections and objects of an image, A anchors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.network import SSDOutput
from vision.algorithms.object_detection.predictions import DetectionSettings, detect
from vision.algorithms.object_detection.targets import PaddedTargets
from vision.box_iou import iou_matrix
from vision.metrics.average_precision import DetectionRecords
from vision.metrics.bootstrap import ImageMetrics
from vision.metrics.detection import evaluation_of_detection
from vision.metrics.evaluation import Evaluation, Table
from vision.metrics.image_weights import WeightedDetection

# Enough for shares that are right to a few percent; all boxes of a large data set would take minutes.
MOST_OBJECTS = 2000
_CHUNK = 128
SIZES_PX = (16, 32, 64, 128, 256)


def detection_settings(hyperparameters: ObjectDetectionHyperparameters) -> DetectionSettings:
    """Return how detections are made, in evaluation and in every answer."""
    return DetectionSettings(max_candidates=hyperparameters.nms_topk, nms_threshold=hyperparameters.nms_threshold)


class DetectionEvaluator:
    """Keeps of each image its detections, float32 [D, 6] of label, score and corners, and its objects, float32
    [M, 6] of label, corners and difficulty; without padding, on the host.
    """

    def __init__(
        self,
        anchors_xyxy_unit: Tensor,
        hyperparameters: ObjectDetectionHyperparameters,
        class_names: tuple[str, ...],
        key_of: Callable[[int], str],
        statistics: AnchorStatistics,
        thresholds: Sequence[float | None] | None = None,
    ) -> None:
        self.anchors = anchors_xyxy_unit
        self.hyperparameters = hyperparameters
        self.class_names = class_names
        self.key_of = key_of
        self.statistics = statistics
        self.thresholds = thresholds
        self._indices: list[int] = []
        self._detections: list[np.ndarray] = []
        self._truths: list[np.ndarray] = []

    def update(self, outputs: SSDOutput, targets: PaddedTargets, indices: Tensor) -> None:
        # Suppression waits for the device anyway, so the few numbers that remain may as well travel at once.
        found = detect(
            outputs.class_logits, outputs.box_offsets, self.anchors, detection_settings(self.hyperparameters)
        )
        detections = _rows(found.labels, found.scores.unsqueeze(-1), found.boxes_xyxy_unit)
        truths = _rows(targets.labels, targets.boxes_xyxy_unit, targets.difficult.unsqueeze(-1))
        self._indices += indices.tolist()
        self._detections += detections
        self._truths += truths

    def arrays(self) -> dict[str, np.ndarray]:
        if not self._indices:
            return {}
        return {
            "index": np.array(self._indices, np.int64),
            "detections": _objects(self._detections),
            "truths": _objects(self._truths),
        }

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        records = _records(arrays)
        evaluation = evaluation_of_detection(
            records,
            self.class_names,
            overlap_threshold=self.hyperparameters.overlap_threshold,
            keys=self.key_of,
            thresholds=self.thresholds,
        )
        return replace(evaluation, tables=(*evaluation.tables, self.statistics.table(records.truth_boxes)))

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> ImageMetrics:
        return WeightedDetection(_records(arrays), len(self.class_names), self.hyperparameters.overlap_threshold)


def _rows(labels: Tensor, *columns: Tensor) -> list[np.ndarray]:
    """For each image the label and columns of its rows that are not padding, float32 [D, 1 + columns]."""
    table = torch.cat([labels.unsqueeze(-1).float(), *(column.float() for column in columns)], dim=-1).cpu().numpy()
    return [rows[rows[:, 0] >= 0] for rows in table]


def _objects(rows: list[np.ndarray]) -> np.ndarray:
    """An array with one element an image, whatever the number of its rows."""
    column = np.empty(len(rows), object)
    for image, row in enumerate(rows):
        column[image] = row
    return column


def _records(arrays: dict[str, np.ndarray]) -> DetectionRecords:
    index = arrays["index"]
    detections, truths = (np.concatenate([*arrays[name], np.empty((0, 6))]) for name in ("detections", "truths"))
    detection_image, truth_image = (
        np.repeat(index, [len(rows) for rows in arrays[name]]) for name in ("detections", "truths")
    )
    return DetectionRecords(
        image_indices=index,
        detection_image=detection_image,
        detection_boxes=detections[:, 2:].astype(np.float32),
        detection_scores=detections[:, 1].astype(np.float32),
        detection_labels=detections[:, 0].astype(np.int64),
        truth_image=truth_image,
        truth_boxes=truths[:, 1:5].astype(np.float32),
        truth_labels=truths[:, 0].astype(np.int64),
        truth_difficult=truths[:, 5] > 0.5,
    )


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
        """Return the table for true boxes [M, 4]; of many, 2000 evenly spaced ones are measured."""
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
