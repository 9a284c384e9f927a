"""What passes a falling threshold, and how much of it is right: the counts behind precision, recall and F1 of a label.

P distinct scores, T thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """Of one label. ``scores`` float64 [P] are the distinct scores, falling; a threshold lets through what reaches it.

    ``passed`` and ``right`` int64 [P] count what passes each score, and what of that is true. ``num_true`` counts all
    that is true, also what has no score at all (an object that was not detected).
    """

    scores: np.ndarray
    passed: np.ndarray
    right: np.ndarray
    num_true: int

    @classmethod
    def of_scores(cls, scores: np.ndarray, is_true: np.ndarray, num_true: int) -> ScoreCurve:
        """Build the curve of scores [N] and bool [N]. Equal scores pass together; NaN passes no threshold."""
        known = ~np.isnan(scores)
        scores, is_true = scores[known].astype(np.float64), is_true[known]
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        last_of_equals = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
        return cls(ordered[last_of_equals], last_of_equals + 1, np.cumsum(is_true[order])[last_of_equals], num_true)

    def best_f1_threshold(self) -> float:
        """Return the assumed threshold: the one of best F1, the highest of several; NaN where nothing is true.

        It stands halfway between the last score that passes and the next lower one (0 after the last), so that a new
        image with nearly the same score is decided the same. 1 where nothing that passes is ever right.
        """
        if self.num_true == 0:
            return float("nan")
        f1 = 2 * self.right / (self.passed + self.num_true)
        if not f1.any():
            return 1.0
        best = int(f1.argmax())
        lower = self.scores[best + 1] if best + 1 < len(self.scores) else 0.0
        return min(float(self.scores[best] + lower) / 2, 1.0)

    def counts_at(self, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True positives, false positives and false negatives int64 [T] at thresholds float64 [T]."""
        place = np.searchsorted(-self.scores, -np.asarray(thresholds, dtype=np.float64), side="right")
        passed, right = (np.concatenate([[0], counts])[place] for counts in (self.passed, self.right))
        return right, passed - right, self.num_true - right


def precision_recall(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall float64 [P] at each distinct score, from the highest down.

    ``scores`` [N] are probabilities, ``truth`` bool [N] says which images have the class. Equal scores are
    one decision, so the order of the images does not matter. Without any true image there is no curve: P = 0.
    """
    if not truth.any():
        return np.empty(0), np.empty(0)
    curve = ScoreCurve.of_scores(scores, truth, int(np.count_nonzero(truth)))
    return curve.right / curve.passed, curve.right / curve.num_true


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall steps, sum of (R_n - R_n-1) P_n; NaN if no image has the class."""
    precision, recall = precision_recall(scores, truth)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if len(recall) else float("nan")


def mean_log_loss(of_truth: np.ndarray) -> float:
    """Cross-entropy in nats: the mean of -ln p over the probabilities that were given to what is true.

    A probability of 0 counts as 1e-12, so that one image cannot make the mean infinite.
    """
    if not of_truth.size:
        return float("nan")
    return float(-np.log(np.maximum(of_truth.astype(np.float64), SMALLEST_PROBABILITY)).mean())
