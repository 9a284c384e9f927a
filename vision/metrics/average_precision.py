"""Average precision of object detection, as PASCAL VOC defines it.

Legend: N images of a batch, D and M padded detections and objects, d and t all detections and objects (truths)
of the evaluated images, C classes without background. Boxes are xyxy in any one unit, coordinates continuous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vision.box_iou import iou_of_pairs

# VOC 2007's recall levels, in the arithmetic of its first Python implementations (0.30000000000000004 and so on).
_ELEVEN_RECALLS = np.arange(0.0, 1.1, 0.1)


@dataclass(frozen=True)
class AveragePrecisionSettings:
    """``overlap_threshold``: a detection must overlap an object by more than this IoU to find it.

    ``interpolation``: "area" is the area under the monotone precision-recall curve (VOC since 2010),
    "11-point" the mean of its values at recall 0, 0.1, ..., 1 (VOC 2007).
    """

    overlap_threshold: float = 0.5
    interpolation: Literal["area", "11-point"] = "area"


@dataclass(frozen=True, eq=False)
class DetectionRecords:
    """Detections and objects of some images, without padding; picklable, to be merged across processes.

    ``image_indices`` int64 [I] names every image, also those with nothing in them. ``detection_*`` and
    ``truth_*`` are columns: ``_image`` int64 [d], ``_boxes`` float32 [d, 4], ``_scores`` float32 [d],
    ``_labels`` int64 [d], ``_difficult`` bool [t].
    """

    image_indices: np.ndarray
    detection_image: np.ndarray
    detection_boxes: np.ndarray
    detection_scores: np.ndarray
    detection_labels: np.ndarray
    truth_image: np.ndarray
    truth_boxes: np.ndarray
    truth_labels: np.ndarray
    truth_difficult: np.ndarray

    @classmethod
    def merge(cls, parts: Sequence[DetectionRecords]) -> DetectionRecords:
        """Join all parts, by image index; an image that several parts have (to fill a batch) counts once."""
        seen = np.empty(0, dtype=np.int64)
        columns: dict[str, list[np.ndarray]] = {name: [] for name in cls.__dataclass_fields__}
        for part in parts:
            new = np.setdiff1d(part.image_indices, seen)
            seen = np.union1d(seen, new)
            columns["image_indices"].append(new)
            for kind in ("detection", "truth"):
                is_new = np.isin(getattr(part, f"{kind}_image"), new)
                for name in columns:
                    if name.startswith(kind):
                        columns[name].append(getattr(part, name)[is_new])
        merged = cls(**{name: np.concatenate(arrays) for name, arrays in columns.items()})
        return merged._in_order_of_images()

    def _in_order_of_images(self) -> DetectionRecords:
        # So that ties in score fall the same way however the images were spread over processes.
        detection = np.argsort(self.detection_image, kind="stable")
        truth = np.argsort(self.truth_image, kind="stable")
        order = {"image_indices": np.argsort(self.image_indices)}
        return DetectionRecords(
            **{
                name: getattr(self, name)[order.get(name, detection if name.startswith("detection") else truth)]
                for name in self.__dataclass_fields__
            }
        )


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """``per_class`` float64 [C]: NaN for a class without objects. ``mean`` is over the others, 0 if none.

    ``num_truths`` int64 [C] counts objects that are not difficult. ``curves``: of each class recall, precision
    and score, float64 [*], by falling score; empty without objects. ``truth_of`` int64 [d] is the row of the object
    that a detection is the first to find, else -1; ``is_counted`` bool [d] leaves out detections on difficult objects.
    """

    per_class: np.ndarray
    mean: float
    num_truths: np.ndarray
    curves: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    truth_of: np.ndarray
    is_counted: np.ndarray


def average_precision(
    records: DetectionRecords, num_classes: int, settings: AveragePrecisionSettings
) -> AveragePrecision:
    """Average precision of each class over all images of the records.

    A detection belongs to the object of its class and image with the largest IoU. The first to find an object,
    by falling score, is right, every other one is wrong, also on images without objects. Difficult objects need
    not be found, and detections that fall on them count neither way.
    """
    records = DetectionRecords.merge([records])
    order = np.argsort(-records.detection_scores, kind="stable")
    labels, scores = records.detection_labels[order], records.detection_scores[order].astype(np.float64)
    truth = _best_truth(records, num_classes, settings.overlap_threshold)[order]
    is_on_difficult = (truth >= 0) & records.truth_difficult[truth] if len(records.truth_labels) else truth >= 0
    is_hit = np.zeros(len(truth), dtype=bool)
    found, first = np.unique(truth, return_index=True)
    is_hit[first[found >= 0]] = True

    counts = np.bincount(records.truth_labels[~records.truth_difficult], minlength=num_classes)
    per_class = np.full(num_classes, np.nan)
    curves = []
    for label in range(num_classes):
        used = (labels == label) & ~is_on_difficult
        if counts[label] == 0:
            curves.append((np.empty(0), np.empty(0), np.empty(0)))
            continue
        hits = np.cumsum(is_hit[used])
        recall, precision = hits / counts[label], hits / np.arange(1, len(hits) + 1)
        per_class[label] = _INTERPOLATIONS[settings.interpolation](recall, precision)
        curves.append((recall, precision, scores[used]))
    is_defined = ~np.isnan(per_class)
    mean = float(per_class[is_defined].mean()) if is_defined.any() else 0.0
    truth_of, is_counted = np.full(len(truth), -1), np.ones(len(truth), dtype=bool)
    truth_of[order] = np.where(is_hit & ~is_on_difficult, truth, -1)
    is_counted[order] = ~is_on_difficult
    return AveragePrecision(per_class, mean, counts, tuple(curves), truth_of, is_counted)


def _best_truth(records: DetectionRecords, num_classes: int, overlap_threshold: float) -> np.ndarray:
    """Index int64 [d] of the object that each detection overlaps most and enough (ties: first), else -1."""
    best = np.full(len(records.detection_labels), -1)
    group = _groups(records.detection_image, records.detection_labels, num_classes)
    truth_group = _groups(records.truth_image, records.truth_labels, num_classes)
    truth_order = np.argsort(truth_group, kind="stable")
    first = np.searchsorted(truth_group, group, "left", sorter=truth_order)
    count = np.searchsorted(truth_group, group, "right", sorter=truth_order) - first
    candidates = np.nonzero(count)[0]
    if len(candidates) == 0:
        return best
    # All pairs of a detection and an object of its image and class, detection by detection.
    count, first = count[candidates], first[candidates]
    start = np.cumsum(count) - count
    offset = np.arange(count.sum()) - np.repeat(start - first, count)
    truth = truth_order[offset]
    iou = iou_of_pairs(records.detection_boxes[np.repeat(candidates, count)], records.truth_boxes[truth])
    best_iou = np.maximum.reduceat(iou, start)
    is_best = iou == np.repeat(best_iou, count)
    first_best = np.minimum.reduceat(np.where(is_best, truth, len(records.truth_labels)), start)
    best[candidates] = np.where(best_iou > overlap_threshold, first_best, -1)
    return best


def _groups(image: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """One number per image and class."""
    assert labels.size == 0 or labels.max() < num_classes
    return image * num_classes + labels


def _area(recall: np.ndarray, precision: np.ndarray) -> float:
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([0.0], precision, [0.0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())


def _eleven_point(recall: np.ndarray, precision: np.ndarray) -> float:
    return float(np.mean([precision[recall >= level].max(initial=0.0) for level in _ELEVEN_RECALLS]))


_INTERPOLATIONS = {"area": _area, "11-point": _eleven_point}
