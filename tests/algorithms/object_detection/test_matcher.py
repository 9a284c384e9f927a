from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.anchors import Anchors, GridShape, anchor_levels, make_anchors
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.matcher import (
    DIFFICULTY_UNIT,
    MatcherSettings,
    Matches,
    assign_classes,
    difficulty,
    match,
    match_dense,
)
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


MINING = MatcherSettings(negative_mining_ratio=2.0)
# Images: 1 positive, none, 3 positives; anchors 0..9, the last one near an object.
POSITIVES = (1, 0, 3)


@pytest.mark.parametrize(
    ("settings", "negatives"),
    [
        (MINING, (2, 4, 6)),
        (replace(MINING, train_images_without_objects=False), (2, 0, 6)),
        (replace(MINING, negative_mining_ratio=0.5), (0, 1, 1)),
        (replace(MINING, negative_mining_ratio=9.0), (8, 9, 6)),
        (replace(MINING, negative_mining_ratio=-1.0), (9, 10, 7)),
        (replace(MINING, negative_mining_ratio=-1.0, train_images_without_objects=False), (9, 0, 7)),
    ],
)
def test_number_of_negatives_an_image_trains_on(settings: MatcherSettings, negatives: tuple[int, ...]) -> None:
    object_index = torch.full((3, 10), -1)
    for image, count in enumerate(POSITIVES):
        object_index[image, :count] = 0
    is_far = torch.ones(3, 10, dtype=torch.bool)
    is_far[:, 9] = False
    labels = torch.tensor([[0], [-1], [0]])
    targets = assign_classes(Matches(object_index, is_far), labels, torch.zeros(3, 10), settings)
    assert tuple((targets == 0).sum(1).tolist()) == negatives


def test_negatives_are_the_hardest_and_ties_go_to_the_lower_anchor() -> None:
    object_index = torch.tensor([[-1, -1, 0, -1, -1, -1]])
    is_far = torch.tensor([[True, True, False, True, False, True]])
    difficulty = 1 / torch.tensor([[0.9, 0.5, 0.1, 0.2, 0.01, 0.5]])
    settings = MatcherSettings(negative_mining_ratio=2.0)
    targets = assign_classes(Matches(object_index, is_far), torch.tensor([[6]]), difficulty, settings)
    assert targets.tolist() == [[-1, 0, 7, 0, -1, -1]]


def test_difficulty_is_one_over_the_probability_of_background() -> None:
    logits = torch.tensor([[[2.0, -1.0, 0.5], [-40.0, 40.0, 0.0], [40.0, 0.0, 0.0], [-300.0, -301.0, -300.0]]])
    expected = DIFFICULTY_UNIT / logits.double().softmax(-1)[..., 0]
    torch.testing.assert_close(difficulty(logits).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_negatives_of_any_logits_are_those_of_the_probability(dtype: torch.dtype) -> None:
    """MXNet sorts by the softmax in float32: its order, also where exp of a logit is 0 or infinite in float32."""
    background = [-900.0, 90.0, 600.0, -95.0, -500.0, 500.0, 0.0, -3.0, -700.0, 88.0]
    foreground = [-899.0, 190.0, 596.0, -91.0, -400.0, 520.0, -9.0, 60.0, -702.0, 89.0]
    logits = torch.tensor([background, foreground], dtype=dtype).T[None]
    probability = logits.float().softmax(-1)[0, :, 0].numpy()
    expected = set(np.argsort(probability, kind="stable")[:5].tolist())
    object_index = torch.full((1, 11), -1)
    object_index[0, 10] = 0
    logits = torch.cat([logits, logits[:, :1]], dim=1)
    settings = MatcherSettings(negative_mining_ratio=5.0)
    matches = Matches(object_index, torch.ones(1, 11, dtype=torch.bool))
    targets = assign_classes(matches, torch.tensor([[0]]), difficulty(logits), settings)
    assert set(torch.nonzero(targets[0] == 0).flatten().tolist()) == expected
