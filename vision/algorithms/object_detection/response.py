"""The answers of SageMaker's endpoint (SageMaker, "Object Detection Request and Response Formats")."""

from __future__ import annotations

from typing import Any

import numpy as np

from vision.algorithms.json_answer import json_scores
from vision.algorithms.object_detection.image_detections import ImageDetections

_ANNOTATIONS = "application/json;annotation=1"
_VERBOSE = ";verbose"


def respond(
    detections: ImageDetections, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """The JSON object of one image's answer; every detection is in it, by falling score.

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
