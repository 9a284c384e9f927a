"""Detection records written by hand."""

from __future__ import annotations

import numpy as np

from vision.metrics.average_precision import DetectionRecords

# (label, box xyxy, score) and (label, box xyxy, is difficult)
Detection = tuple[int, list[float], float]
Truth = tuple[int, list[float], bool]


def records_of(*images: tuple[list[Detection], list[Truth]], indices: list[int] | None = None) -> DetectionRecords:
    """One (detections, truths) an image; images count from 0 unless ``indices`` says otherwise."""
    indices = list(range(len(images))) if indices is None else indices
    found = [(index, *one) for index, (detections, _) in zip(indices, images, strict=True) for one in detections]
    true = [(index, *one) for index, (_, truths) in zip(indices, images, strict=True) for one in truths]
    return DetectionRecords(
        np.array(indices, np.int64),
        np.array([row[0] for row in found], np.int64),
        np.array([row[2] for row in found], np.float32).reshape(-1, 4),
        np.array([row[3] for row in found], np.float32),
        np.array([row[1] for row in found], np.int64),
        np.array([row[0] for row in true], np.int64),
        np.array([row[2] for row in true], np.float32).reshape(-1, 4),
        np.array([row[1] for row in true], np.int64),
        np.array([row[3] for row in true], bool),
    )
