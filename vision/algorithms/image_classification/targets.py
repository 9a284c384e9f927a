"""Labels of image classification: from what a source states to a class id, or to a multi-hot vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.data.labels import TOLERANCE, numbers
from vision.data.sample import RawTarget
from vision.settings.errors import DataError


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
