from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.targets import DetectionTarget, collate_targets


def target(*labels: int) -> DetectionTarget:
    count = len(labels)
    boxes = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    return DetectionTarget(boxes, np.array(labels, np.int64), np.arange(count) % 2 == 1)


def test_objects_come_first_and_padding_follows() -> None:
    boxes, labels, difficult = collate_targets([target(4, 2, 0), target()])
    assert (boxes.dtype, labels.dtype, difficult.dtype) == (torch.float32, torch.int64, torch.bool)
    assert labels.tolist() == [[4, 2, 0, -1, -1, -1, -1, -1], [-1] * 8]
    assert boxes[0, :3].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert not boxes[0, 3:].any()
    assert not boxes[1].any()
    assert difficult[0].tolist() == [False, True, False, False, False, False, False, False]


@pytest.mark.parametrize(("longest", "size"), [(0, 8), (1, 8), (8, 8), (9, 16), (30, 32)])
def test_few_different_shapes(longest: int, size: int) -> None:
    padded = collate_targets([target(*[0] * longest), target(1)])
    assert padded.boxes_xyxy_unit.shape == (2, size, 4)
    assert padded.labels.shape == padded.difficult.shape == (2, size)


def test_a_batch_is_a_tuple_that_loaders_can_move() -> None:
    padded = collate_targets([target(1)])
    assert type(padded)(*(tensor.to("cpu") for tensor in padded)).labels is padded.labels
