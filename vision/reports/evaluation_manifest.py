"""The evaluation manifest snapshot: a Ground Truth line for each image, with what was found beside what is true.

Source: sagemaker-contract, section 10.2, and AWS's example of the file. o decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.image_codec import image_size
from vision.data.sample import Reader
from vision.files.atomic_file import AtomicFile
from vision.metrics.label_evaluation import LabelEvaluation
from vision.reports.model_version import ModelVersion

TRUTH, FOUND = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
DETAILS = f"{FOUND}-details"


def write_manifest(folder: Path, labels: LabelEvaluation, version: ModelVersion, reader: Reader) -> Path:
    """Write ``EvaluationManifest-<project>-<version>.manifest``; raises DataError where images cannot be read again.

    What is neither true nor assigned has no entry. A missed object has its detection below the threshold, or its own
    box with confidence 0.
    """
    path = folder / f"EvaluationManifest-{version.file_stem}.manifest"
    with AtomicFile(path) as file:
        for line in manifest_lines(labels, version.timestamp, reader):
            file.write(json.dumps(line) + "\n")
    return path


def manifest_lines(labels: LabelEvaluation, timestamp: str, reader: Reader) -> Iterator[dict[str, Any]]:
    """One object an image, in the reader's order."""
    image = labels.decisions.image
    ends = np.searchsorted(image, [labels.image_indices, labels.image_indices + 1]).T
    for index, (first, last) in zip(labels.image_indices.tolist(), ends.tolist(), strict=True):
        rows = range(first, last)
        line = {"source-ref": source_ref(reader, index)}
        if labels.records is None:
            yield line | _image_labels(labels, rows, timestamp)
        else:
            sample = reader[index]
            yield line | _boxes(labels, index, rows, image_size(sample.encoded, sample.key), timestamp)


def source_ref(reader: Reader, index: int) -> str:
    """The image's path where it has one, else the name of its record."""
    path = getattr(reader, "path", None)
    return reader.key(index) if path is None else str(path(index))


def _image_labels(labels: LabelEvaluation, rows: range, timestamp: str) -> dict[str, Any]:
    decisions = labels.decisions
    line: dict[str, Any] = {}
    for number, row in enumerate(row for row in rows if decisions.is_true[row]):
        line |= _image_label(f"{TRUTH}-{number}", labels, row, _common(TRUTH, timestamp), 1.0)
    for number, row in enumerate(rows):
        extra = _common(FOUND, timestamp) | {DETAILS: _details(labels, row)}
        line |= _image_label(f"{FOUND}-{number}", labels, row, extra, float(decisions.confidence[row]))
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


def _boxes(
    labels: LabelEvaluation, index: int, rows: range, size_px: tuple[int, int], timestamp: str
) -> dict[str, Any]:
    decisions, records = labels.decisions, labels.records
    assert decisions.boxes_xyxy_unit is not None
    assert records is not None
    first, last = np.searchsorted(records.truth_image, [index, index + 1])
    found = slice(rows.start, rows.stop)
    objects = [{"confidence": float(decisions.confidence[row]), DETAILS: _details(labels, row)} for row in rows]
    sides = (
        (f"{TRUTH}-0", TRUTH, records.truth_labels[first:last], records.truth_boxes[first:last], None),
        (FOUND, FOUND, decisions.label[found], decisions.boxes_xyxy_unit[found], objects),
    )
    line: dict[str, Any] = {}
    for attribute, job, classes, boxes, its_objects in sides:
        annotations = [_annotation(*pair, size_px) for pair in zip(classes.tolist(), boxes, strict=True)]
        size = {"width": size_px[0], "height": size_px[1], "depth": 3}
        line[attribute] = {"annotations": annotations, "image_size": [size]}
        line[f"{attribute}-metadata"] = {
            "objects": [{"confidence": 1.0}] * len(annotations) if its_objects is None else its_objects,
            "class-map": {str(label): labels.class_names[label] for label in sorted(set(classes.tolist()))},
            "type": "groundtruth/object-detection",
            **_common(job, timestamp),
        }
    return line


def _annotation(label: int, box_xyxy_unit: np.ndarray, size_px: tuple[int, int]) -> dict[str, int]:
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
