"""The true boxes of one image, parsed from what a source states about them, and of a batch.

Legend: N batch, M objects, at most, of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.data.boxes.box_errors import (
    Fault,
    Policy,
    clipped,
    fault_message,
    find_faults,
    is_fatal,
    is_kept,
)
from vision.data.labels import read_objects
from vision.data.sample import RawTarget
from vision.settings.errors import DataError

# Batches have room for a multiple of this number of objects: accelerators then meet few different shapes.
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


def numbered_boxes(target: DetectionTarget) -> np.ndarray:
    """Return boxes float64 [M, 5]: the corners and the object's number, so that labels can follow."""
    rows = np.empty((len(target), 5))
    rows[:, :4] = target.boxes_xyxy_unit
    rows[:, 4] = np.arange(len(target))
    return rows


def selected_objects(target: DetectionTarget, rows: np.ndarray) -> DetectionTarget:
    """Return the objects in ``rows`` with their new boxes, without those that have no area in float32."""
    boxes = rows[:, :4].astype(np.float32)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = rows[has_area, 4].astype(np.int64)
    return DetectionTarget(boxes[has_area], target.labels[kept], target.difficult[kept])


@dataclass(frozen=True)
class BoxLabelParser:
    """(raw label, key) -> DetectionTarget, in every form that readers give. Raises DataError.

    ``bad_boxes`` is the run setting: "clip" cuts boxes at the border of their image, "drop" leaves out those that
    cross it, "fail" takes the whole image for broken. Boxes without area inside the image are left out by the first
    two. ``target_summary`` counts and names all of them before training starts.
    """

    num_classes: int
    bad_boxes: Policy

    def __call__(self, raw: RawTarget, key: str) -> DetectionTarget:
        rows = read_objects(raw, key)
        faults = find_faults(rows, self.num_classes)
        fatal = np.flatnonzero(is_fatal(faults, self.bad_boxes))
        if fatal.size:
            number = int(fatal[0])
            raise DataError(key, fault_message(rows, number, Fault(int(faults[number])), self.num_classes))
        kept = is_kept(faults, self.bad_boxes)
        return DetectionTarget(
            clipped(rows.boxes_xyxy_unit[kept]), rows.class_ids[kept].astype(np.int64), rows.difficult[kept]
        )
