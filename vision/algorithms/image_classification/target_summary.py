"""Looks at all labels of a channel before training starts."""

from __future__ import annotations

import numpy as np

from vision.algorithms.algorithm import TargetSummary
from vision.algorithms.image_classification.targets import LabelDecoder
from vision.data.equal_problems import EqualProblems
from vision.data.readers.class_names import class_name
from vision.data.sample import Reader, Tabular
from vision.settings.errors import DataError

SHOWN = 5


def summarise(reader: Reader, decoder: LabelDecoder) -> TargetSummary:
    """Count the labels of each class; wrong ones become one problem that names the first of each kind."""
    counts = _count_fast(reader, decoder)
    unusable = EqualProblems()
    if counts is None:
        counts, unusable = _count_each(reader, decoder)
    problems = []
    if unusable.count:
        shown = "; ".join(unusable.lines(SHOWN))
        problems.append(f"{unusable.count} of {len(reader)} labels cannot be used: {shown}")
    warnings = []
    if not problems and (empty := np.flatnonzero(counts == 0)).size:
        listed = ", ".join(class_name(reader.class_names, class_id) for class_id in empty[:SHOWN].tolist()) + (
            ", ..." if empty.size > SHOWN else ""
        )
        warnings.append(f"no image has the class {listed}, of {decoder.num_classes} classes")
    return TargetSummary(
        num_samples=len(reader),
        class_counts=counts,
        class_names=reader.class_names,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )


def _count_fast(reader: Reader, decoder: LabelDecoder) -> np.ndarray | None:
    """Counts from all labels at once where the reader has them in one array and all are right; else None."""
    matrix = reader.targets_matrix() if isinstance(reader, Tabular) else None
    if matrix is None:
        return None
    if decoder.multi_label:
        fits = matrix.ndim == 2 and matrix.shape[1] == decoder.num_classes and np.isin(matrix, (0, 1)).all()
        return matrix.sum(axis=0, dtype=np.float64) if fits else None
    labels = matrix.reshape(-1)
    if labels.size != len(reader) or not np.isfinite(labels).all():
        return None
    whole = np.rint(labels)
    if not np.array_equal(whole, labels) or labels.min() < 0 or labels.max() >= decoder.num_classes:
        return None
    return np.bincount(whole.astype(np.int64), minlength=decoder.num_classes).astype(np.float64)


def _count_each(reader: Reader, decoder: LabelDecoder) -> tuple[np.ndarray, EqualProblems]:
    counts = np.zeros(decoder.num_classes)
    unusable = EqualProblems()
    for index in range(len(reader)):
        try:
            target = decoder(reader.target(index), reader.key(index))
        except DataError as error:
            unusable.add(error.key, error.reason)
            continue
        if decoder.multi_label:
            counts += target
        else:
            counts[int(target)] += 1
    return counts, unusable
