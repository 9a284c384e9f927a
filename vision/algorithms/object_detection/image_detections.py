"""What the detector says of one image. Legend: D detections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_scores
from vision.algorithms.object_detection.predictions import Detections

# For people; SageMaker's ``prediction`` holds every detection, however weak.
SHOWN_SCORE = 0.5


@dataclass(frozen=True, eq=False)
class ImageDetections:
    """``boxes_xyxy_unit`` float32 [D, 4], ``scores`` float32 [D] by falling score, ``labels`` int64 [D]."""

    boxes_xyxy_unit: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self) -> list[list[float]]:
        """SageMaker's rows: class, score, xmin, ymin, xmax, ymax as fractions of the image, to a millionth."""
        boxes = self.boxes_xyxy_unit.astype(np.float64).round(6).tolist()
        columns = zip(self.labels.tolist(), json_scores(self.scores), boxes, strict=True)
        return [[float(label), score, *box] for label, score, box in columns]

    def at_least(self, score: float) -> ImageDetections:
        """The detections of at least that score."""
        count = int(np.count_nonzero(self.scores >= score))
        return ImageDetections(self.boxes_xyxy_unit[:count], self.scores[:count], self.labels[:count])

    def describe(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """JSON object: SageMaker's ``prediction``, and by name the objects with a score of at least one half.

        ``box`` is [xmin, ymin, xmax, ymax] in fractions of the image.
        """
        rows = self.rows()
        shown = rows[: len(self.at_least(SHOWN_SCORE))]
        objects = [{"label": class_names[int(row[0])], "score": row[1], "box": row[2:]} for row in shown]
        return {"prediction": rows, "objects": objects}

    def scored_labels(self) -> list[ScoredLabel]:
        """Every detection, by falling score."""
        columns = (self.labels, self.scores.astype(np.float64), self.boxes_xyxy_unit.astype(np.float64))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [ScoredLabel(label, score, tuple(box)) for label, score, box in rows]


def image_detections(detections: Detections) -> list[ImageDetections]:
    """The detections of each image of a batch, without padding, on the host."""
    boxes, scores, labels = (
        part.cpu().numpy() for part in (detections.boxes_xyxy_unit, detections.scores, detections.labels)
    )
    return [
        ImageDetections(boxes[image, :count], scores[image, :count], labels[image, :count])
        for image, count in enumerate((labels >= 0).sum(axis=1).tolist())
    ]
