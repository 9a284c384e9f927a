from __future__ import annotations

import pytest
import torch
from torchvision.ops import batched_nms

from vision.algorithms.object_detection import suppression
from vision.algorithms.object_detection.suppression import survivors
from vision.box_iou import pairwise_iou


@pytest.fixture(params=["pairs", "matrix"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of the CPU and the way of an accelerator must give the same."""
    if request.param == "matrix":

        def dense(
            boxes: torch.Tensor, groups: torch.Tensor, is_valid: torch.Tensor, threshold: float
        ) -> suppression._Matrix:
            is_same = groups.unsqueeze(2) == groups.unsqueeze(1)
            return suppression._Matrix(((pairwise_iou(boxes, boxes) >= threshold) & is_same).float().triu_(1))

        monkeypatch.setattr(suppression, "_removing_pairs", dense)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("num_groups", [1, 5])
@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.9])
def test_agrees_with_torchvision(num_groups: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(num_groups)
    corner = torch.rand(3, 200, 2, generator=generator)
    boxes = torch.cat((corner, corner + 0.1 + 0.2 * torch.rand(3, 200, 2, generator=generator)), dim=2)
    groups = torch.randint(num_groups, (3, 200), generator=generator)
    is_valid = torch.rand(3, 200, generator=generator) < 0.9
    keep = survivors(boxes, groups, is_valid, threshold)
    falling = torch.linspace(1, 0, 200)
    for image in range(3):
        index = is_valid[image].nonzero().squeeze(1)
        theirs = batched_nms(boxes[image, index], falling[index], groups[image, index], threshold)
        assert keep[image].nonzero().squeeze(1).tolist() == index[theirs].tolist()


@pytest.mark.usefixtures("way")
def test_a_chain_keeps_every_second() -> None:
    # Each box overlaps its neighbours by 1/3 and no other.
    left = torch.arange(40) * 0.5
    boxes = torch.stack((left, torch.zeros(40), left + 1, torch.ones(40)), dim=1).unsqueeze(0)
    keep = survivors(boxes, torch.zeros(1, 40, dtype=torch.int64), torch.ones(1, 40, dtype=torch.bool), 0.3)
    assert keep[0].tolist() == [index % 2 == 0 for index in range(40)]


@pytest.mark.usefixtures("way")
def test_the_threshold_itself_removes_and_the_invalid_do_not() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5]]])
    groups = torch.zeros(1, 3, dtype=torch.int64)
    assert survivors(boxes, groups, torch.tensor([[False, True, True]]), 0.5).tolist() == [[False, True, False]]
    assert survivors(boxes, groups, torch.tensor([[False, False, True]]), 0.5).tolist() == [[False, False, True]]
    assert not survivors(boxes, groups, torch.zeros(1, 3, dtype=torch.bool), 0.5).any()


@pytest.mark.usefixtures("way")
def test_boxes_without_area_remove_nothing() -> None:
    boxes = torch.zeros(1, 2, 4)
    keep = survivors(boxes, torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool), 0.5)
    assert keep.all()
