"""A classifier's figures as functions of how often each image counts. N images, K classes."""

from __future__ import annotations

import numpy as np

from vision.metrics.average_precision import AveragePrecisionSettings, DetectionRecords, average_precision
from vision.metrics.bootstrap import PlainWords
from vision.metrics.confusion import DECISION_THRESHOLD, DecisionCounts, in_top_k, predicted_classes


class WeightedClassification:
    """Figures of probabilities float32 [N, K] against class ids int64 [N]; of each class the recall."""

    class_metric = "recall"

    def __init__(self, probabilities: np.ndarray, targets: np.ndarray, top_k: int | None) -> None:
        self.names: tuple[str, ...] = ("accuracy", "macro_f1", "macro_precision", "macro_recall")
        self._num_classes = probabilities.shape[1]
        self._targets = targets
        self._predicted = predicted_classes(probabilities)
        self._is_right = self._predicted == targets
        most = np.bincount(targets, minlength=self._num_classes).max(initial=0)
        self.words = PlainWords(
            "{figure} of {images} {are} classified right",
            "Always answering the largest class",
            float(most / len(targets)) if len(targets) else float("nan"),
            counts_images=True,
        )
        self._is_in_top_k: np.ndarray | None = None
        if top_k is not None:
            self.names = ("accuracy", f"top_k_accuracy_{top_k}", *self.names[1:])
            self._is_in_top_k = in_top_k(probabilities, targets, top_k)

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return figures float64 [M]: see ``ImageMetrics``."""
        total = weights.sum()
        right, predicted, truth = (
            np.bincount(classes, counted, self._num_classes)
            for classes, counted in (
                (self._targets, weights * self._is_right),
                (self._predicted, weights),
                (self._targets, weights),
            )
        )
        counts = DecisionCounts(right, predicted - right, truth - right, total - predicted - truth + right)
        f1, precision, recall = counts.f1(), counts.precision(), counts.recall()
        shares = [right.sum() / total]
        if self._is_in_top_k is not None:
            shares.append(weights @ self._is_in_top_k / total)
        return np.array([*shares, *map(counts.macro, (f1, precision, recall)), *recall])


class WeightedMultiLabel:
    """Figures of probabilities float32 [N, K] against bool [N, K]; of each class the average precision."""

    names: tuple[str, ...] = ("accuracy", "mAP", "micro_f1", "macro_f1", "macro_precision", "macro_recall")
    class_metric = "AP"

    def __init__(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        yes = probabilities > DECISION_THRESHOLD
        # One product with the weights counts hits, false alarms and misses of all classes.
        self._cells = np.concatenate([yes & truth, yes & ~truth, ~yes & truth], axis=1).astype(np.float64)
        frequent = np.maximum(truth.mean(axis=0), 1 - truth.mean(axis=0)) if len(truth) else np.array([np.nan])
        self.words = PlainWords(
            "{figure} of the answers yes or no, one for each class and image, are right on {images}",
            "Answering for each class what is more frequent",
            float(frequent.mean()),
        )
        self._average_precision = _WeightedAveragePrecision(np.nan_to_num(probabilities, nan=-1.0), truth)

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return figures float64 [M]: see ``ImageMetrics``."""
        right, wrong, missed = np.split(weights @ self._cells, 3)
        counts = DecisionCounts(right, wrong, missed, weights.sum() - right - wrong - missed)
        per_class = self._average_precision.of(weights)
        defined = per_class[~np.isnan(per_class)]
        macros = map(counts.macro, (counts.f1(), counts.precision(), counts.recall()))
        mean = float(defined.mean()) if len(defined) else float("nan")
        return np.array([counts.averaged_accuracy(), mean, counts.micro_f1(), *macros, *per_class])


class _WeightedAveragePrecision:
    """The mean over the true images of a class of the precision at their score, for all classes at once.

    Images by falling score stand class behind class in one row; equal scores are one decision, made at their last.
    """

    def __init__(self, scores: np.ndarray, truth: np.ndarray) -> None:
        num_images, self._num_classes = scores.shape
        order = np.argsort(-scores, axis=0, kind="stable").T
        ordered = np.take_along_axis(scores.T, order, axis=1)
        is_last = np.ones(ordered.shape, dtype=bool)
        is_last[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
        ends = np.flatnonzero(is_last)
        self._image = order.ravel()
        true = np.flatnonzero(np.take_along_axis(truth.T, order, axis=1))
        self._true_image, self._true_class = self._image[true], true // max(num_images, 1)
        self._class_start = self._true_class * num_images
        self._end = ends[np.searchsorted(ends, true)] + 1
        # So many true images come before the class, and up to the end of the equals.
        self._true_before = np.searchsorted(true, self._class_start)
        self._true_at_end = np.searchsorted(true, self._end)

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Float64 [K]; NaN for a class without true images."""
        true_weights = weights[self._true_image]
        passed, found = (np.concatenate([[0.0], np.cumsum(w)]) for w in (weights[self._image], true_weights))
        all_passed = passed[self._end] - passed[self._class_start]
        all_found = found[self._true_at_end] - found[self._true_before]
        precision = np.divide(all_found, all_passed, out=np.zeros_like(all_found), where=all_passed > 0)
        total, summed = (
            np.bincount(self._true_class, w, self._num_classes) for w in (true_weights, true_weights * precision)
        )
        return np.divide(summed, total, out=np.full(self._num_classes, np.nan), where=total > 0)


STRICT_OVERLAP = 0.75


class WeightedDetection:
    """Average precision (VOC's area under the curve) of each class, and its mean at two overlaps (IoU)."""

    class_metric = "AP"
    words = PlainWords("mAP is {figure} on {images}; 100 % is every object found in its place, and nothing else")

    def __init__(self, records: DetectionRecords, num_classes: int, overlap_threshold: float) -> None:
        self.names: tuple[str, ...] = ("mAP", "mAP_75")
        records = DetectionRecords.merge([records])
        self._curves = [
            _WeightedCurves(records, num_classes, threshold) for threshold in (overlap_threshold, STRICT_OVERLAP)
        ]

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return figures float64 [M], with images in the order of their indices: see ``ImageMetrics``."""
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
