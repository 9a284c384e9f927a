"""The true boxes of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class DetectionTarget:
    """M objects; M may be 0.

    ``boxes_xyxy_unit`` float32 [M, 4]: corners left, top, right, bottom as fractions of the image, in [0, 1].
    ``labels`` int64 [M]: class ids from 0, background not counted.
    ``difficult`` bool [M]: left out of the score.
    """

    boxes_xyxy_unit: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)
