"""Settings that fit the data, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vision.data.inspect.issues import ChannelFacts
from vision.data.labels import Task

# SageMaker's default for hp.label_width.
LABEL_WIDTH = 350
# Up to this height the networks of image classification keep the size of their input at first.
SMALL_IMAGE_PX = 32
# Below this many pixels of 300 half of the boxes are seen by the finest feature map only.
SMALL_BOX_PX_OF_300 = 30.0


def recommended(channels: Sequence[ChannelFacts], algorithm_of: Mapping[Task, str]) -> tuple[tuple[str, str, str], ...]:
    """Return (setting, value, reason) for the training channel, the first.

    ``algorithm_of`` names the algorithm that learns from each kind of label.
    """
    train = channels[0]
    num_classes = max([len(train.class_names or ()), *(len(facts.class_counts) for facts in channels)])
    sound = train.sizes_px[train.sizes_px[:, 0] > 0]
    algorithm = algorithm_of.get(train.label_task)
    rows = [] if algorithm is None else [("algorithm", algorithm, f"labels are {train.task}")]
    rows += [
        ("hp.num_classes", str(num_classes), "classes that are named or occur"),
        ("hp.num_training_samples", str(len(train)), f"records of channel {train.name}"),
    ]
    if len(train) < 32:
        rows.append(("hp.mini_batch_size", str(max(len(train), 1)), "not more than there are records"))
    if train.task == "boxes":
        return (*rows, *_for_boxes(channels))
    if train.multi_label:
        rows.append(("hp.multi_label", "1", "images have several classes or none"))
    if len(sound):
        rows += _for_sizes(sound)
    return tuple(rows)


def _for_boxes(channels: Sequence[ChannelFacts]) -> list[tuple[str, str, str]]:
    rows = []
    width = max(facts.label_width() for facts in channels)
    if width > LABEL_WIDTH:
        rows.append(
            ("hp.label_width", str(width), f"the longest label; SageMaker's default {LABEL_WIDTH} is too short")
        )
    _, boxes = channels[0].objects()
    if boxes is not None:
        sides = np.sqrt(np.clip(boxes.boxes_xyxy_unit[:, 2:] - boxes.boxes_xyxy_unit[:, :2], 0, None).prod(axis=1))
        median = float(np.median(sides)) * 300
        shape = "512" if median < SMALL_BOX_PX_OF_300 else "300"
        rows.append(("hp.image_shape", shape, f"half of the boxes have a side below {median:.0f} pixels of 300"))
    return rows


def _for_sizes(sizes_px: np.ndarray) -> list[tuple[str, str, str]]:
    width, height = (int(side) for side in np.median(sizes_px, axis=0))
    seen = f"half of the images are at most {width}x{height} pixels"
    if max(width, height) <= SMALL_IMAGE_PX:
        side = min(width, height)
        return [("hp.image_shape", f"3,{side},{side}", seen), ("hp.num_layers", "20", "a network for small images")]
    resize = min(width, height)
    if resize < 224:
        return [("hp.image_shape", f"3,{resize},{resize}", seen)]
    return [("hp.image_shape", "3,224,224", seen), ("hp.resize", "256", "shorter edge before the crop")]
