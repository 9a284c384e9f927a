"""What the detector says of one image, and the answers of SageMaker's endpoint.

Source: SageMaker, "Object Detection Request and Response Formats". Legend: D detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_scores
from vision.algorithms.object_detection.predictions import Detections

_ANNOTATIONS = "application/json;annotation=1"
_VERBOSE = ";verbose"
# What a person who labels is shown: a box too many is removed faster than a missing one is drawn.
PROPOSED_SCORE = 0.3
# A score of 0.2 to 0.8; so many boxes of such scores are half as bad as any number of them.
DOUBTFUL, HALF_OF_MANY = 0.4, 5
# For people; SageMaker's ``prediction`` holds every detection, however weak.
SHOWN_SCORE = 0.5


def respond(
    detections: ImageDetections, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Return the JSON object of one image's answer, with every detection by falling score.

    ``size_px`` is the width and height of the image as it came, in whose pixels annotations are given. With
    ``verbose`` each detection's class has its name beside it, and ``labels`` are the names of all classes by id.
    """
    answer = (
        _annotations(detections, size_px)
        if form.removesuffix(_VERBOSE) == _ANNOTATIONS
        else {"prediction": detections.rows()}
    )
    if not form.endswith(_VERBOSE):
        return answer
    names = [class_names[label] for label in detections.labels.tolist()]
    if "prediction" in answer:
        answer["predicted_labels"] = names
    else:
        for annotation, name in zip(answer["annotations"], names, strict=True):
            annotation["label"] = name
    return {**answer, "labels": list(class_names)}


def _annotations(detections: ImageDetections, size_px: tuple[int, int]) -> dict[str, Any]:
    width, height = size_px
    corners = detections.boxes_xyxy_unit.astype(np.float64) * (width, height, width, height)
    # Edges become whole pixels before sizes are taken, so that neighbours stay neighbours; a box takes one at least.
    low, high = np.split(corners.round().astype(np.int64), 2, axis=1)
    low = np.minimum(low, (width - 1, height - 1))
    (left, top), (right, bottom) = low.T.tolist(), np.maximum(high, low + 1).T.tolist()
    names = ("class_id", "score", "left", "top", "width", "height")
    columns = zip(
        detections.labels.tolist(),
        json_scores(detections.scores),
        left,
        top,
        [b - a for a, b in zip(left, right, strict=True)],
        [b - a for a, b in zip(top, bottom, strict=True)],
        strict=True,
    )
    return {
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [dict(zip(names, values, strict=True)) for values in columns],
    }


@dataclass(frozen=True, eq=False)
class ImageDetections:
    """``boxes_xyxy_unit`` float32 [D, 4], ``scores`` float32 [D] by falling score, ``labels`` int64 [D]."""

    boxes_xyxy_unit: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self) -> list[list[float]]:
        """Return SageMaker's rows: class, score, xmin, ymin, xmax, ymax as fractions of the image, to a millionth."""
        boxes = self.boxes_xyxy_unit.astype(np.float64).round(6).tolist()
        columns = zip(self.labels.tolist(), json_scores(self.scores), boxes, strict=True)
        return [[float(label), score, *box] for label, score, box in columns]

    def at_least(self, score: float) -> ImageDetections:
        """Return the detections of at least that score."""
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

    def uncertainty(self) -> float:
        """Return the mean of two signs of doubt: a box that could as well be none, and many doubtful boxes."""
        doubts = 1 - np.abs(2 * self.scores.astype(np.float64) - 1)
        doubtful = int(np.count_nonzero(doubts >= DOUBTFUL))
        return float((doubts.max(initial=0.0) + doubtful / (doubtful + HALF_OF_MANY)) / 2)

    def scored_labels(self) -> list[ScoredLabel]:
        """Return every detection, by falling score."""
        columns = (self.labels, self.scores.astype(np.float64), self.boxes_xyxy_unit.astype(np.float64))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [ScoredLabel(label, score, tuple(box)) for label, score, box in rows]


def image_detections(detections: Detections) -> list[ImageDetections]:
    """Return the detections of each image of a batch, without padding, on the host."""
    boxes, scores, labels = (
        part.cpu().numpy() for part in (detections.boxes_xyxy_unit, detections.scores, detections.labels)
    )
    return [
        ImageDetections(boxes[image, :count], scores[image, :count], labels[image, :count])
        for image, count in enumerate((labels >= 0).sum(axis=1).tolist())
    ]
