"""Counts of right and wrong decisions as exact integers, and the ratios made from them.

Every count adds up: the sum over batches is the count of the whole, so no figure depends on the batch size.

N images, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A class of a multi-label image counts as predicted when its probability is strictly above this.
DECISION_THRESHOLD = 0.5


def predicted_classes(probabilities: np.ndarray) -> np.ndarray:
    """Most probable class int64 [N] of probabilities [N,K]; the lowest id among equals; NaN is the least."""
    return np.argmax(_without_nan(probabilities), axis=1)


def in_top_k(probabilities: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """Return whether the true class, int64 [N], is among the k most probable of probabilities [N,K], as bool [N].

    Among equal probabilities the lower class id goes first, so k = 1 agrees with ``predicted_classes``.
    """
    probabilities = _without_nan(probabilities)
    of_target = np.take_along_axis(probabilities, targets[:, None], axis=1)
    goes_first = np.arange(probabilities.shape[1])[None, :] < targets[:, None]
    ahead = (probabilities > of_target) | ((probabilities == of_target) & goes_first)
    return ahead.sum(axis=1) < k


def correct_in_top_k(probabilities: np.ndarray, targets: np.ndarray, k: int) -> int:
    """Count the images whose true class is among the k most probable."""
    return int(np.count_nonzero(in_top_k(probabilities, targets, k)))


def confusion_counts(predicted: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Return counts int64 [K,K], rows the truth, columns the prediction, of two int64 [N] vectors of class ids."""
    cells = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


@dataclass(frozen=True)
class DecisionCounts:
    """Per class, over all images: right and wrong yes/no decisions, each int64 [K]."""

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    true_negatives: np.ndarray

    @classmethod
    def of_confusion(cls, confusion: np.ndarray) -> DecisionCounts:
        """One-against-the-rest counts from a confusion matrix int64 [K,K] (rows truth)."""
        right = np.diag(confusion)
        predicted, truth = confusion.sum(axis=0), confusion.sum(axis=1)
        return cls(right, predicted - right, truth - right, confusion.sum() - predicted - truth + right)

    @classmethod
    def of_multi_label(cls, probabilities: np.ndarray, targets: np.ndarray) -> DecisionCounts:
        """Count at DECISION_THRESHOLD from probabilities [N,K] and multi-hot targets [N,K]."""
        yes, true = probabilities > DECISION_THRESHOLD, targets > 0.5
        return cls(
            np.count_nonzero(yes & true, axis=0),
            np.count_nonzero(yes & ~true, axis=0),
            np.count_nonzero(~yes & true, axis=0),
            np.count_nonzero(~yes & ~true, axis=0),
        )

    @property
    def support(self) -> np.ndarray:
        """Images that truly have the class, int64 [K]."""
        return self.true_positives + self.false_negatives

    def precision(self) -> np.ndarray:
        """Share of the predictions of each class that are right, float64 [K]; NaN where never predicted."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    def recall(self) -> np.ndarray:
        """Share of the images of each class that are found, float64 [K]; NaN where the class has no image."""
        return _ratio(self.true_positives, self.support)

    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall, float64 [K]; NaN where the class is absent from both."""
        doubled = 2 * self.true_positives
        return _ratio(doubled, doubled + self.false_positives + self.false_negatives)

    def iou(self) -> np.ndarray:
        """Intersection over union of truth and prediction, float64 [K]; NaN where the class is absent from both."""
        right = self.true_positives
        return _ratio(right, right + self.false_positives + self.false_negatives)

    def averaged_accuracy(self) -> float:
        """Share of right decisions over images x classes: what SageMaker logs as multi-label accuracy."""
        right = int(self.true_positives.sum() + self.true_negatives.sum())
        return share(right, right + int(self.false_positives.sum() + self.false_negatives.sum()))

    def micro_f1(self) -> float:
        """F1 of all decisions in one pot; NaN if no class is present or predicted at all."""
        doubled = 2 * int(self.true_positives.sum())
        return share(doubled, doubled + int(self.false_positives.sum() + self.false_negatives.sum()))

    def macro(self, per_class: np.ndarray) -> float:
        """Mean of a ratio [K] over the classes that have images; a class never predicted counts as 0."""
        present = self.support > 0
        return float(np.nan_to_num(per_class[present]).mean()) if present.any() else float("nan")


def share(part: int, whole: int) -> float:
    """Return the ratio of two counts; NaN over 0."""
    return part / whole if whole else float("nan")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _without_nan(probabilities: np.ndarray) -> np.ndarray:
    missing = np.isnan(probabilities)
    return np.where(missing, -np.inf, probabilities) if missing.any() else probabilities
