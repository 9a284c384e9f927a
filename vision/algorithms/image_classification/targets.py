"""Labels of image classification: from what a source states to a class id, or to a multi-hot vector.

All labels of a channel are checked and counted before training starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.algorithms.algorithm import TargetSummary
from vision.data.labels import TOLERANCE, numbers
from vision.data.problems import EqualProblems
from vision.data.readers.class_names import class_name
from vision.data.sample import RawTarget, Reader, Tabular
from vision.settings.errors import DataError

_MAX_SHOWN = 5


@dataclass(frozen=True)
class LabelDecoder:
    """(raw label, key) -> int64 scalar class id, or float32 [K] of 0 and 1 when ``multi_label``.

    Whether the list of a manifest holds class ids or a 0/1 for each class its reader knows; vectors of .lst and .rec
    files always have the latter.
    """

    num_classes: int
    multi_label: bool

    def __call__(self, raw: RawTarget, key: str) -> np.ndarray:
        values = numbers(raw, key)
        return self._multi_hot(raw, values, key) if self.multi_label else self._class_id(values, key)

    def _class_id(self, values: np.ndarray, key: str) -> np.ndarray:
        if values.size != 1:
            raise DataError(
                key,
                f"has {values.size} labels where one class id is expected; set hp.multi_label=1 for several",
            )
        label = float(values[0])
        if abs(label - round(label)) > TOLERANCE or not 0 <= round(label) < self.num_classes:
            raise DataError(
                key,
                f"has the label {label:g}, but with hp.num_classes={self.num_classes} labels are integers from 0 to "
                f"{self.num_classes - 1} (count classes from 0, and set hp.num_classes to their number)",
            )
        return np.asarray(round(label), np.int64)

    def _multi_hot(self, raw: RawTarget, values: np.ndarray, key: str) -> np.ndarray:
        if isinstance(raw, tuple):
            return self._from_ids(values, key)
        if values.size != self.num_classes:
            remedy = "give one 0/1 column a class, or set hp.num_classes"
            if values.size == 1:
                remedy = "leave hp.multi_label out if each image has one class"
            elif not isinstance(raw, np.ndarray):
                remedy = "set label-format=class-id if these are class ids"
            raise DataError(key, f"has {values.size} label values, but hp.num_classes is {self.num_classes}; {remedy}")
        if not np.isin(values, (0.0, 1.0)).all():
            wrong = values[~np.isin(values, (0.0, 1.0))][0]
            raise DataError(key, f"has the multi-label value {wrong:g}; each class has 0 or 1")
        return values.astype(np.float32)

    def _from_ids(self, values: np.ndarray, key: str) -> np.ndarray:
        hot = np.zeros(self.num_classes, np.float32)
        for value in values:
            if value != round(float(value)) or not 0 <= value < self.num_classes:
                raise DataError(
                    key,
                    f"has the class id {value:g}, but with hp.num_classes={self.num_classes} ids are integers from 0 "
                    f"to {self.num_classes - 1}",
                )
            hot[int(value)] = 1.0
        return hot


def summarize_labels(reader: Reader, decoder: LabelDecoder) -> TargetSummary:
    """Count the labels of each class; wrong ones become one problem that names the first of each kind."""
    counts = _count_fast(reader, decoder)
    unusable = EqualProblems()
    if counts is None:
        counts, unusable = _count_each(reader, decoder)
    problems = []
    if unusable.count:
        shown = "; ".join(unusable.lines(_MAX_SHOWN))
        problems.append(f"{unusable.count} of {len(reader)} labels cannot be used: {shown}")
    warnings = []
    if not problems and (empty := np.flatnonzero(counts == 0)).size:
        listed = ", ".join(class_name(reader.class_names, class_id) for class_id in empty[:_MAX_SHOWN].tolist()) + (
            ", ..." if empty.size > _MAX_SHOWN else ""
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
