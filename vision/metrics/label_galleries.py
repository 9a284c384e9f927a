"""Images of a classifier that got a label they should not have, or lack one that they should."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vision.metrics.evaluation import Example, Gallery
from vision.metrics.label_evaluation import LabelEvaluation

MOST_EXAMPLES = 32
MOST_NAMES = 3


def label_galleries(labels: LabelEvaluation, keys: Callable[[int], str]) -> tuple[Gallery, Gallery]:
    """The surest false positives and the clearest misses at the labels' thresholds, one picture a decision."""
    decisions = labels.decisions
    wrong = np.flatnonzero(decisions.is_assigned & ~decisions.is_true)
    missed = np.flatnonzero(~decisions.is_assigned & decisions.is_true)
    wrong = wrong[np.argsort(-decisions.confidence[wrong], kind="stable")][:MOST_EXAMPLES]
    missed = missed[np.argsort(decisions.confidence[missed], kind="stable")][:MOST_EXAMPLES]
    return (
        Gallery("False positives", tuple(_false_positive(labels, row, keys) for row in wrong.tolist())),
        Gallery("Misses", tuple(_miss(labels, row, keys) for row in missed.tolist())),
    )


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    left_out = len(names) - MOST_NAMES
    more = f" and {left_out} more" if left_out > 0 else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more


def _false_positive(labels: LabelEvaluation, row: int, keys: Callable[[int], str]) -> Example:
    rows = _rows_of_image(labels, row)
    truth = listed([labels.class_names[labels.decisions.label[r]] for r in rows if labels.decisions.is_true[r]])
    index = int(labels.decisions.image[row])
    return Example(index, keys(index), f"truth {truth} / predicted {_scored(labels, row)}")


def _miss(labels: LabelEvaluation, row: int, keys: Callable[[int], str]) -> Example:
    assigned = [_scored(labels, r) for r in _rows_of_image(labels, row) if labels.decisions.is_assigned[r]]
    index = int(labels.decisions.image[row])
    return Example(index, keys(index), f"missed {_scored(labels, row)} / predicted {listed(assigned)}")


def _rows_of_image(labels: LabelEvaluation, row: int) -> list[int]:
    """Rows of the decisions about the same image."""
    image = labels.decisions.image
    return np.flatnonzero(image == image[row]).tolist()


def _scored(labels: LabelEvaluation, row: int) -> str:
    return f"{labels.class_names[labels.decisions.label[row]]} {labels.decisions.confidence[row]:.2f}"
