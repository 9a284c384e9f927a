"""From what a source states about the boxes of an image to its target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.algorithms.object_detection.targets import DetectionTarget
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
