"""Settings of image classification that fit an inspected data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.algorithms.image_classification.hyperparameters import SMALL_HEIGHT_PX
from vision.data.inspect.issues import InspectedChannel, Recommendation


def recommended_settings(channels: Sequence[InspectedChannel]) -> list[Recommendation]:
    """Return the settings that fit the training channel, which is the first of ``channels``."""
    train = channels[0]
    sound = train.sizes_px[train.sizes_px[:, 0] > 0]
    found = []
    if train.multi_label:
        found.append(Recommendation("hp.multi_label", "1", "images have several classes or none"))
    return found + (_for_sizes(sound) if len(sound) else [])


def _for_sizes(sizes_px: np.ndarray) -> list[Recommendation]:
    width, height = (int(side) for side in np.median(sizes_px, axis=0))
    seen = f"half of the images are at most {width}x{height} pixels"
    if max(width, height) <= SMALL_HEIGHT_PX:
        side = min(width, height)
        return [
            Recommendation("hp.image_shape", f"3,{side},{side}", seen),
            Recommendation("hp.num_layers", "20", "a network for small images"),
        ]
    resize = min(width, height)
    if resize < 224:
        return [Recommendation("hp.image_shape", f"3,{resize},{resize}", seen)]
    return [
        Recommendation("hp.image_shape", "3,224,224", seen),
        Recommendation("hp.resize", "256", "shorter edge before the crop"),
    ]
