from __future__ import annotations

import numpy as np
import torch

from vision.box_iou import iou_matrix, iou_of_areas, iou_of_pairs, pairwise_iou


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    others = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(iou_matrix(boxes, others), [[1 / 7, 1, 0, 0], [0, 0, 0, 0]])


def test_arrays_and_tensors_agree() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.random((2, 40, 2, 2)), axis=2).reshape(2, 40, 4)
    boxes, others = corners
    found = pairwise_iou(torch.from_numpy(boxes), torch.from_numpy(others)).numpy()
    np.testing.assert_array_equal(found, iou_matrix(boxes, others))
    np.testing.assert_array_equal(iou_of_pairs(boxes, others), np.diagonal(found))
    area, other_area = (torch.from_numpy((box[:, 2:] - box[:, :2]).prod(axis=1)) for box in corners)
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    common = torch.from_numpy((high - low).clip(min=0).prod(axis=1))
    np.testing.assert_array_equal(iou_of_areas(common, area, other_area).numpy(), np.diagonal(found))


def test_boxes_without_area_overlap_nothing() -> None:
    point = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    assert pairwise_iou(point, point).item() == 0
    assert iou_matrix(point.numpy(), point.numpy()).item() == 0
