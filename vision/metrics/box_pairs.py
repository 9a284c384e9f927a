"""Which detection found which object, one to one and across classes: what confusions of classes are counted from.

Legend: D and M detections and objects of one image, d and t those of all images, C classes without background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.box_iou import iou_matrix
from vision.metrics.average_precision import DetectionRecords

MATCH_IOU = 0.5


@dataclass(frozen=True, eq=False)
class BoxPairs:
    """``detections`` int64 [d]: rows of the records that were confident enough, by falling score in each image.

    ``truth_of`` int64 [d]: the row of the object that each found, -1 for none.
    ``is_found`` bool [t]: whether any of them found the object.
    """

    detections: np.ndarray
    truth_of: np.ndarray
    is_found: np.ndarray


def pair_boxes(records: DetectionRecords, score_threshold: float | np.ndarray) -> BoxPairs:
    """Pair detections of at least that score with objects of IoU 0.5 or more, in records ordered by image.

    ``score_threshold`` is one for all, or float64 [d] of each detection.
    The best score chooses first, among the objects still free: of its own class if there is one, then the largest
    IoU.
    """
    confident = np.flatnonzero(records.detection_scores >= score_threshold)
    order = np.lexsort((-records.detection_scores[confident], records.detection_image[confident]))
    detections = confident[order]
    truth_of = np.full(len(detections), -1)
    is_found = np.zeros(len(records.truth_labels), dtype=bool)
    images, first, count = np.unique(records.detection_image[detections], return_index=True, return_counts=True)
    start, stop = (np.searchsorted(records.truth_image, images, side) for side in ("left", "right"))
    for i in range(len(images)):
        rows = slice(first[i], first[i] + count[i])
        truth_of[rows] = _pair_image(records, detections[rows], np.arange(start[i], stop[i]))
    is_found[truth_of[truth_of >= 0]] = True
    return BoxPairs(detections, truth_of, is_found)


def _pair_image(records: DetectionRecords, detections: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Row of the object of each detection int64 [D], -1 for none."""
    found = np.full(len(detections), -1)
    if not len(truths):
        return found
    iou = iou_matrix(records.detection_boxes[detections], records.truth_boxes[truths])
    same = records.detection_labels[detections, None] == records.truth_labels[None, truths]
    preference = np.where(iou >= MATCH_IOU, iou + same, 0.0)
    for row in range(len(detections)):
        column = int(preference[row].argmax())
        if preference[row, column] > 0:
            found[row] = truths[column]
            preference[:, column] = 0.0
    return found


def confusion_with_background(records: DetectionRecords, pairs: BoxPairs, num_classes: int) -> np.ndarray:
    """Return counts int64 [C + 1, C + 1], rows the truth, columns what was detected; the last is background.

    Difficult objects, and detections paired with them, are left out.
    """
    background = num_classes
    found = pairs.truth_of >= 0
    truth = np.full(len(found), background)
    truth[found] = records.truth_labels[pairs.truth_of[found]]
    counted = ~found
    counted[found] = ~records.truth_difficult[pairs.truth_of[found]]
    detected = records.detection_labels[pairs.detections]
    missed = records.truth_labels[~pairs.is_found & ~records.truth_difficult]
    rows = np.concatenate([truth[counted], missed])
    columns = np.concatenate([detected[counted], np.full(len(missed), background)])
    cells = np.bincount(rows * (num_classes + 1) + columns, minlength=(num_classes + 1) ** 2)
    return cells.reshape(num_classes + 1, num_classes + 1).astype(np.int64)
