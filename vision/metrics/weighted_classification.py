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
        scores = np.nan_to_num(probabilities, nan=-1.0)
        yes = probabilities > DECISION_THRESHOLD
        self._cells = (yes & truth, yes & ~truth, ~yes & truth, ~yes & ~truth)
        # Rows by falling score, class by class; equal scores are one decision, made at the last of them.
        self._order = np.argsort(-scores, axis=0, kind="stable")
        self._ordered_truth = np.take_along_axis(truth, self._order, axis=0)
        ordered = np.take_along_axis(scores, self._order, axis=0)
        is_last = np.ones(ordered.shape, dtype=bool)
        is_last[:-1] = ordered[1:] != ordered[:-1]
        places = np.where(is_last, np.arange(len(ordered))[:, None], len(ordered))
        self._last_of_equals = np.minimum.accumulate(places[::-1], axis=0)[::-1]

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Figures float64 [M]: see ``ImageMetrics``."""
        counts = DecisionCounts(*(weights @ cells for cells in self._cells))
        per_class = self._average_precision(weights)
        defined = per_class[~np.isnan(per_class)]
        macros = map(counts.macro, (counts.f1(), counts.precision(), counts.recall()))
        mean = float(defined.mean()) if len(defined) else float("nan")
        return np.array([counts.averaged_accuracy(), mean, counts.micro_f1(), *macros, *per_class])

    def _average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Float64 [K]: the mean over true images of the precision at their score; NaN for a class without any."""
        passed = weights[self._order]
        found = passed * self._ordered_truth
        passed_before, found_before = passed.cumsum(axis=0), found.cumsum(axis=0)
        precision = np.divide(found_before, passed_before, out=np.zeros_like(found), where=passed_before > 0)
        at_score = np.take_along_axis(precision, self._last_of_equals, axis=0)
        total = found.sum(axis=0)
        return np.divide((found * at_score).sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)
