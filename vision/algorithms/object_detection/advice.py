"""Settings of object detection that fit an inspected data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.data.inspect.issues import InspectedChannel, Recommendation

# Below this many pixels of 300 half of the boxes are seen by the finest feature map only.
SMALL_BOX_PX_OF_300 = 30.0


def recommended_settings(channels: Sequence[InspectedChannel]) -> list[Recommendation]:
    """Return the settings that fit the training channel, which is the first of ``channels``."""
    found = []
    width = max(channel.label_width() for channel in channels)
    default = ObjectDetectionHyperparameters.model_fields["label_width"].default
    if width > default:
        reason = f"the longest label; SageMaker's default {default} is too short"
        found.append(Recommendation("hp.label_width", str(width), reason))
    _, boxes = channels[0].objects()
    if boxes is not None:
        sides = np.sqrt(np.clip(boxes.boxes_xyxy_unit[:, 2:] - boxes.boxes_xyxy_unit[:, :2], 0, None).prod(axis=1))
        median = float(np.median(sides)) * 300
        shape = "512" if median < SMALL_BOX_PX_OF_300 else "300"
        reason = f"half of the boxes have a side below {median:.0f} pixels of 300"
        found.append(Recommendation("hp.image_shape", shape, reason))
    return found
