"""What thresholds do to precision, recall and F1, as tables and curves that any report can show. K classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vision.metrics.confusion import DecisionCounts
from vision.metrics.evaluation import Curves, Evaluation, Table
from vision.metrics.label_evaluation import STEPS, LabelEvaluation

# Of the hundred steps of the curves, those that tables show: 0.05, 0.10, ..., 0.95.
TABLE_STEPS = range(5, 100, 5)
MOST_LABELS_BY_THRESHOLD = 20
# A threshold chosen on fewer images, or this near to 0 or 1, is warned of.
FEW, LOWEST = 10, 0.05
MOST_DOUBTFUL = 5
RATIOS = ("precision", "recall", "F1")
SHARES = ("threshold", *RATIOS)
# True positives, false positives, false negatives: short, for narrow terminals.
COUNTS = ("TP", "FP", "FN")


def with_labels(found: Evaluation, labels: LabelEvaluation) -> Evaluation:
    """Add to the evaluation what is shown of labels and thresholds."""
    return replace(
        found,
        tables=(label_table(labels), *found.tables, threshold_table(labels), label_threshold_table(labels)),
        curves=(*found.curves, threshold_curves(labels)),
        notes=(threshold_note(labels), *found.notes),
        labels=labels,
    )


def label_table(labels: LabelEvaluation) -> Table:
    """Return a table of each label at its threshold; ratios over 0 are left empty.

    At thresholds that nobody asked for it is to look things up in: the table of the classes says how good they are.
    """
    ratios, numbers = _ratios(labels.counts), _numbers(labels.counts)
    rows = tuple(
        (name, _share(labels.thresholds[label]), *ratios[label], int(labels.counts.support[label]), *numbers[label])
        for label, name in enumerate(labels.class_names)
    )
    which, items = "assumed" if labels.are_assumed else "given", "objects" if labels.records else "images"
    columns = ("class", *SHARES, items, *COUNTS)
    return Table(f"Labels at the {which} thresholds", columns, rows, is_long=labels.are_assumed, shares=SHARES)


def threshold_table(labels: LabelEvaluation) -> Table:
    """One threshold for all labels, step by step: means over the labels that occur, and sums of the decisions."""
    rows = []
    for step in TABLE_STEPS:
        counts = labels.by_step[step]
        sums = map(sum, zip(*_numbers(counts), strict=True))
        rows.append((float(STEPS[step]), *map(_share, mean_ratios(counts)), *sums))
    columns = (*SHARES, *COUNTS)
    return Table("One threshold for all labels", columns, tuple(rows), is_long=True, shares=SHARES)


def label_threshold_table(labels: LabelEvaluation) -> Table:
    """Return such a table of thresholds for each label by itself; none if there are many labels."""
    num_classes = len(labels.class_names)
    shown = range(num_classes if num_classes <= MOST_LABELS_BY_THRESHOLD else 0)
    ratios = {step: _ratios(labels.by_step[step]) for step in TABLE_STEPS}
    numbers = {step: _numbers(labels.by_step[step]) for step in TABLE_STEPS}
    rows = tuple(
        (labels.class_names[label], float(STEPS[step]), *ratios[step][label], *numbers[step][label])
        for label in shown
        for step in TABLE_STEPS
    )
    columns = ("label", *SHARES, *COUNTS)
    return Table("Each label by threshold", columns, rows, is_long=True, shares=SHARES)


def threshold_curves(labels: LabelEvaluation) -> Curves:
    """Mean precision, recall and F1 over the labels that occur, of one threshold for all from 0 to 1."""
    means = np.array([mean_ratios(counts) for counts in labels.by_step])
    series = {name: (STEPS, means[:, column]) for column, name in enumerate(RATIOS)}
    return Curves("By threshold", "threshold for all labels", "mean over labels", series)


def threshold_note(labels: LabelEvaluation) -> str:
    """Say how labels were assigned, and the averages that result."""
    precision, recall, f1 = mean_ratios(labels.counts)
    how = "chosen here for the label's best F1" if labels.are_assumed else "as given"
    who = (
        "an image gets every label whose probability reaches the label's threshold"
        if labels.records is None
        else "a detection counts where its score reaches its label's threshold"
    )
    return (
        f"With thresholds, {who}, {how}. Mean over the labels that occur: precision {precision:.4f}, "
        f"recall {recall:.4f}, F1 {f1:.4f}. TP, FP and FN are true positives, false positives and misses."
        f"{_doubtful(labels) if labels.are_assumed else ''}"
    )


def _doubtful(labels: LabelEvaluation) -> str:
    """Name the labels whose assumed threshold tells little; nothing of thresholds that all rest on enough."""
    items = "objects" if labels.records else "images"
    occurs, known = labels.counts.support > 0, np.nan_to_num(labels.thresholds, nan=0.5)
    kinds = {
        f"rest on fewer than {FEW} {items} each": occurs & (labels.counts.support < FEW),
        f"lie below {LOWEST:g} or above {1 - LOWEST:g}, so that a slightly different model would need others": occurs
        & ((known < LOWEST) | (known > 1 - LOWEST)),
    }
    found = ""
    for what, is_one in kinds.items():
        names = [labels.class_names[label] for label in np.flatnonzero(is_one).tolist()]
        if names:
            more = f" and {len(names) - MOST_DOUBTFUL} more" if len(names) > MOST_DOUBTFUL else ""
            found += f" Doubtful: the thresholds of {', '.join(names[:MOST_DOUBTFUL])}{more} {what}."
    return found


def mean_ratios(counts: DecisionCounts) -> tuple[float, float, float]:
    """Plain means of precision, recall and F1 over the labels that occur; NaN if none does."""
    return counts.macro(counts.precision()), counts.macro(counts.recall()), counts.macro(counts.f1())


def _ratios(counts: DecisionCounts) -> list[tuple[float | None, ...]]:
    """Of each label."""
    columns = (counts.precision(), counts.recall(), counts.f1())
    return [tuple(map(_share, row)) for row in zip(*columns, strict=True)]


def _numbers(counts: DecisionCounts) -> list[tuple[int, ...]]:
    """Of each label, in the order of COUNTS."""
    columns = (counts.true_positives, counts.false_positives, counts.false_negatives)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _share(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
