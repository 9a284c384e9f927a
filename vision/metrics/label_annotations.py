"""What an evaluation found and what is true of one image, as the attributes of a Ground Truth line.

The attributes are those of Rekognition Custom Labels' evaluation manifest (sagemaker-contract, section 10.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from vision.metrics.label_evaluation import LabelEvaluation

TRUTH, FOUND = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
DETAILS = f"{FOUND}-details"

# (evaluation, index of the image, rows of its decisions, timestamp, function that gives its width and height).
Annotate: TypeAlias = "Callable[[LabelEvaluation, int, range, str, Callable[[], tuple[int, int]]], dict[str, Any]]"


def annotate_image(
    labels: LabelEvaluation, index: int, rows: range, timestamp: str, size_px: Callable[[], tuple[int, int]]
) -> dict[str, Any]:
    """Return an attribute for each label of the whole image: the true ones, then the assigned ones."""
    decisions = labels.decisions
    line: dict[str, Any] = {}
    for number, row in enumerate(row for row in rows if decisions.is_true[row]):
        line |= _image_label(f"{TRUTH}-{number}", labels, row, _common(TRUTH, timestamp), 1.0)
    for number, row in enumerate(rows):
        extra = _common(FOUND, timestamp) | {DETAILS: _details(labels, row)}
        line |= _image_label(f"{FOUND}-{number}", labels, row, extra, float(decisions.confidence[row]))
    return line


def annotate_boxes(
    labels: LabelEvaluation, index: int, rows: range, timestamp: str, size_px: Callable[[], tuple[int, int]]
) -> dict[str, Any]:
    """Return an attribute with all true boxes and one with all found ones, in pixels."""
    decisions, records = labels.decisions, labels.records
    assert decisions.boxes_xyxy_unit is not None
    assert records is not None
    width, height = size_px()
    first, last = np.searchsorted(records.truth_image, [index, index + 1])
    found = slice(rows.start, rows.stop)
    objects = [{"confidence": float(decisions.confidence[row]), DETAILS: _details(labels, row)} for row in rows]
    sides = (
        (f"{TRUTH}-0", TRUTH, records.truth_labels[first:last], records.truth_boxes[first:last], None),
        (FOUND, FOUND, decisions.label[found], decisions.boxes_xyxy_unit[found], objects),
    )
    line: dict[str, Any] = {}
    for attribute, job, classes, boxes, its_objects in sides:
        annotations = [_box(*pair, (width, height)) for pair in zip(classes.tolist(), boxes, strict=True)]
        size = {"width": width, "height": height, "depth": 3}
        line[attribute] = {"annotations": annotations, "image_size": [size]}
        line[f"{attribute}-metadata"] = {
            "objects": [{"confidence": 1.0}] * len(annotations) if its_objects is None else its_objects,
            "class-map": {str(label): labels.class_names[label] for label in sorted(set(classes.tolist()))},
            "type": "groundtruth/object-detection",
            **_common(job, timestamp),
        }
    return line


def _image_label(
    attribute: str, labels: LabelEvaluation, row: int, common: dict[str, Any], confidence: float
) -> dict[str, Any]:
    label = int(labels.decisions.label[row])
    metadata = {
        "confidence": confidence,
        "class-name": labels.class_names[label],
        "type": "groundtruth/image-classification",
        **common,
    }
    return {attribute: label, f"{attribute}-metadata": metadata}


def _box(label: int, box_xyxy_unit: np.ndarray, size_px: tuple[int, int]) -> dict[str, int]:
    """A box in whole pixels, never empty."""
    left, top, right, bottom = (round(float(side)) for side in box_xyxy_unit * np.array([*size_px, *size_px]))
    return {
        "class_id": label,
        "left": left,
        "top": top,
        "width": max(right - left, 1),
        "height": max(bottom - top, 1),
    }


def _common(job: str, timestamp: str) -> dict[str, Any]:
    human = "yes" if job == TRUTH else "no"
    return {"job-name": f"{job}-job", "human-annotated": human, "creation-date": timestamp}


def _details(labels: LabelEvaluation, row: int) -> dict[str, Any]:
    is_assigned, is_true = bool(labels.decisions.is_assigned[row]), bool(labels.decisions.is_true[row])
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [f"{TRUTH}-job"],
        "is-true-positive": is_assigned and is_true,
        "is-true-negative": not is_assigned and not is_true,
        "is-false-positive": is_assigned and not is_true,
        "is-false-negative": not is_assigned and is_true,
        "is-present-in-ground-truth": is_true,
    }
