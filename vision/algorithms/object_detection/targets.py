"""The true boxes of one image, and of a batch. Legend: N batch, M objects, at most, of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Batches have room for a multiple of so many objects: accelerators then meet few different shapes.
OBJECTS_STEP = 8
PADDING_LABEL = -1


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


class PaddedTargets(NamedTuple):
    """Objects of N images: float32 [N, M, 4], int64 [N, M] and bool [N, M]. Padding has label -1 and a box of zeros."""

    boxes_xyxy_unit: Tensor
    labels: Tensor
    difficult: Tensor


def collate_targets(targets: Sequence[DetectionTarget]) -> PaddedTargets:
    """Pad the objects of a batch to one length, a multiple of 8."""
    longest = max(map(len, targets), default=0)
    size = max(-(-longest // OBJECTS_STEP), 1) * OBJECTS_STEP
    boxes = np.zeros((len(targets), size, 4), np.float32)
    labels = np.full((len(targets), size), PADDING_LABEL, np.int64)
    difficult = np.zeros((len(targets), size), bool)
    for row, target in enumerate(targets):
        count = len(target)
        boxes[row, :count] = target.boxes_xyxy_unit
        labels[row, :count] = target.labels
        difficult[row, :count] = target.difficult
    return PaddedTargets(torch.from_numpy(boxes), torch.from_numpy(labels), torch.from_numpy(difficult))
