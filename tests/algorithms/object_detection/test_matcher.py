from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.anchors import Anchors, GridShape, anchor_levels, make_anchors
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.hard_negative_mining import assign_classes, difficulty
from vision.algorithms.object_detection.matcher import MatcherSettings, match, match_dense
from vision.box_iou import pairwise_iou

FIXTURES = Path(__file__).parents[2] / "fixtures" / "multibox"
TARGETS = [
    "target_0",
    "target_1",
    "target_2",
    "target_3_no_mining",
    "target_4_overlap_disabled",
    "target_5_ties",
]
SSD_300 = make_anchors(anchor_levels("vgg-16", 300), [(cells, cells) for cells in (38, 19, 10, 5, 3, 1)])


def fixture_case(name: str) -> tuple[Anchors, torch.Tensor, torch.Tensor, torch.Tensor, MatcherSettings, Any]:
    fixture = np.load(FIXTURES / f"{name}.npz")
    params = json.loads(str(fixture["params"]))
    grids = {
        336: (GridShape(8, 8, 4), GridShape(4, 4, 4), GridShape(2, 2, 4)),
        384: (GridShape(6, 9, 6), GridShape(3, 5, 4)),
    }[fixture["anchor"].shape[1]]
    anchors = Anchors(torch.from_numpy(fixture["anchor"][0]), grids)
    label = torch.from_numpy(fixture["label"])
    settings = MatcherSettings(
        overlap_threshold=params["overlap_threshold"],
        negative_mining_ratio=params["negative_mining_ratio"],
        negative_mining_threshold=params["negative_mining_thresh"],
        train_images_without_objects=False,
    )
    logits = torch.from_numpy(fixture["cls_pred"]).transpose(1, 2)
    return anchors, label[..., 1:5], label[..., 0].long(), difficulty(logits), settings, fixture


@pytest.mark.parametrize("way", ["pairs", "dense"])
@pytest.mark.parametrize("name", TARGETS)
def test_targets_equal_mxnet(name: str, way: str) -> None:
    anchors, boxes, labels, difficulty, settings, fixture = fixture_case(name)
    if way == "pairs":
        matches = match(anchors, boxes, labels, settings)
    else:
        matches = match_dense(anchors.boxes_xyxy_unit, boxes, labels, settings)
    class_targets = assign_classes(matches, labels, difficulty, settings)
    np.testing.assert_array_equal(class_targets.numpy(), fixture["cls_target"])

    is_positive = matches.object_index >= 0
    variances = tuple(json.loads(str(fixture["params"]))["variances"])
    matched = boxes.gather(1, matches.object_index.clamp(min=0).unsqueeze(-1).expand(-1, -1, 4))
    offsets = BoxCoder(variances).encode(matched, anchors.boxes_xyxy_unit)
    offsets = torch.where(is_positive.unsqueeze(-1), offsets, 0.0).flatten(1)
    np.testing.assert_array_equal(is_positive.repeat_interleave(4, 1).numpy(), fixture["loc_mask"])
    np.testing.assert_allclose(offsets.numpy(), fixture["loc_target"], rtol=2.4e-7, atol=2.4e-7)


def greedy_by_definition(anchors: np.ndarray, boxes: np.ndarray, threshold: float) -> np.ndarray:
    """MultiBoxTarget's matching as its documentation tells it, one pair at a time."""
    iou = pairwise_iou(torch.from_numpy(boxes), torch.from_numpy(anchors)).numpy().T  # [A, M]
    owner = np.full(len(anchors), -1)
    left = iou.copy()
    while True:
        anchor, item = np.unravel_index(left.argmax(), left.shape)
        if left[anchor, item] <= 1e-6:
            break
        owner[anchor] = item
        left[anchor], left[:, item] = -1, -1
    near = (iou.max(1) > threshold) & (owner < 0)
    owner[near] = iou.argmax(1)[near]
    return owner


def scene(seed: int, num_objects: int, largest: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(num_objects, 2, generator=generator)
    extent = torch.rand(num_objects, 2, generator=generator) * largest + 0.002
    return torch.cat((centre - extent / 2, centre + extent / 2), 1)


CROWD = torch.tensor([[0.3, 0.3, 0.34, 0.35]]).repeat(9, 1)
HARD_SCENES = {
    "mixed": scene(0, 9, 0.6),
    "small": scene(1, 9, 0.03),
    "large": scene(2, 9, 1.5),
    "same box nine times": CROWD,
    "nearly the same box": CROWD + torch.linspace(0, 0.004, 9).unsqueeze(1),
    "elongated": torch.tensor([[0.0, 0.4, 1.0, 0.42], [0.5, 0.0, 0.51, 1.0], [0.0, 0.41, 1.0, 0.43]]),
    "outside": torch.tensor([[2.0, 2.0, 3.0, 3.0], [0.2, 0.2, 0.3, 0.3]]),
    "whole image": torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 3),
}


@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("way", ["pairs", "dense"])
@pytest.mark.parametrize("name", HARD_SCENES)
def test_matches_are_the_greedy_ones(name: str, way: str, threshold: float) -> None:
    boxes = HARD_SCENES[name]
    # A second image without objects and padding rows must change nothing.
    padded = torch.zeros(2, 10, 4)
    padded[0, : len(boxes)] = boxes
    labels = torch.full((2, 10), -1)
    labels[0, : len(boxes)] = 3
    settings = MatcherSettings(overlap_threshold=threshold)
    if way == "pairs":
        matches = match(SSD_300, padded, labels, settings)
    else:
        matches = match_dense(SSD_300.boxes_xyxy_unit, padded, labels, settings)
    expected = greedy_by_definition(SSD_300.boxes_xyxy_unit.numpy(), boxes.numpy(), threshold)
    np.testing.assert_array_equal(matches.object_index[0].numpy(), expected)
    assert (matches.object_index[1] == -1).all()
    assert matches.is_far[1].all()
    best = pairwise_iou(boxes, SSD_300.boxes_xyxy_unit).amax(0)
    assert torch.equal(matches.is_far[0], best < 0.5)


@pytest.mark.parametrize("num_objects", [0, 3])
@pytest.mark.parametrize("way", ["pairs", "dense"])
def test_a_batch_without_objects_matches_nothing(way: str, num_objects: int) -> None:
    boxes, labels = torch.zeros(2, num_objects, 4), torch.full((2, num_objects), -1)
    if way == "pairs":
        matches = match(SSD_300, boxes, labels, MatcherSettings())
    else:
        matches = match_dense(SSD_300.boxes_xyxy_unit, boxes, labels, MatcherSettings())
    assert (matches.object_index == -1).all()
    assert matches.is_far.all()
    targets = assign_classes(matches, labels, torch.zeros(2, 8732), MatcherSettings())
    assert (targets == 0).sum(1).tolist() == [3, 3]
