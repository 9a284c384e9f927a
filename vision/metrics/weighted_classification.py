"""A classifier's figures as functions of how often each image counts. N images, K classes."""

from __future__ import annotations

import numpy as np

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
        self._is_in_top_k: np.ndarray | None = None
        if top_k is not None:
            self.names = ("accuracy", f"top_k_accuracy_{top_k}", *self.names[1:])
            self._is_in_top_k = in_top_k(probabilities, targets, top_k)

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Figures float64 [M]: see ``ImageMetrics``."""
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
        self._average_precision = _WeightedAveragePrecision(np.nan_to_num(probabilities, nan=-1.0), truth)

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Figures float64 [M]: see ``ImageMetrics``."""
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
