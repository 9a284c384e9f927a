"""A detector's figures as functions of how often each image counts.

Matching a detection with an object happens within an image, so it is done once; drawing images anew only changes how
often a hit, a false alarm and an object count. Legend: d detections that count, t objects, C classes.
"""

from __future__ import annotations

import numpy as np

from vision.metrics.average_precision import AveragePrecisionSettings, DetectionRecords, average_precision

STRICT_OVERLAP = 0.75


class WeightedDetection:
    """Average precision (VOC's area under the curve) of each class, and its mean at two overlaps (IoU)."""

    class_metric = "AP"

    def __init__(self, records: DetectionRecords, num_classes: int, overlap_threshold: float) -> None:
        self.names: tuple[str, ...] = ("mAP", "mAP_75")
        records = DetectionRecords.merge([records])
        self._curves = [
            _WeightedCurves(records, num_classes, threshold) for threshold in (overlap_threshold, STRICT_OVERLAP)
        ]

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Figures float64 [M], images in the order of their indices: see ``ImageMetrics``."""
        per_class, strict = (curves.average_precision(weights) for curves in self._curves)
        means = [float(np.nanmean(found)) if not np.isnan(found).all() else 0.0 for found in (per_class, strict)]
        return np.array([*means, *per_class])


class _WeightedCurves:
    """The precision-recall curves of all classes, one behind the other, by falling score."""

    def __init__(self, records: DetectionRecords, num_classes: int, overlap_threshold: float) -> None:
        found = average_precision(records, num_classes, AveragePrecisionSettings(overlap_threshold))
        used = np.flatnonzero(found.is_counted)
        order = used[np.lexsort((-records.detection_scores[used], records.detection_labels[used]))]
        label = records.detection_labels[order]
        is_hit = found.truth_of[order] >= 0
        self._num_classes = num_classes
        self._image = np.searchsorted(records.image_indices, records.detection_image[order])
        # Precision matters where recall grows, at hits.
        self._hit = np.flatnonzero(is_hit)
        self._hit_label = label[self._hit]
        self._class_start = np.searchsorted(label, self._hit_label)
        self._first_hit_of_class = np.searchsorted(self._hit_label, self._hit_label)
        is_easy = ~records.truth_difficult
        self._truth_label = records.truth_labels[is_easy]
        self._truth_image = np.searchsorted(records.image_indices, records.truth_image[is_easy])

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Float64 [C]; NaN for a class without objects."""
        total = np.bincount(self._truth_label, weights[self._truth_image], self._num_classes)
        before = np.concatenate([[0.0], np.cumsum(weights[self._image])])
        hit_weight = weights[self._image[self._hit]]
        hits_before = np.concatenate([[0.0], np.cumsum(hit_weight)])
        passed = before[self._hit + 1] - before[self._class_start]
        right = hits_before[1:] - hits_before[self._first_hit_of_class]
        precision = np.divide(right, passed, out=np.zeros_like(right), where=passed > 0)
        # The best precision from here on within the class: each class lies above all behind it.
        lift = 2.0 * (self._num_classes - 1 - self._hit_label)
        envelope = np.maximum.accumulate((precision + lift)[::-1])[::-1] - lift
        area = np.bincount(self._hit_label, hit_weight * envelope, self._num_classes)
        return np.divide(area, total, out=np.full(self._num_classes, np.nan), where=total > 0)
