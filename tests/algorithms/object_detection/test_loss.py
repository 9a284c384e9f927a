from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection import loss as loss_module
from vision.algorithms.object_detection.anchors import Anchors, GridShape
from vision.algorithms.object_detection.loss import (
    classification_loss,
    localization_loss,
    multibox_loss,
    normalized_smooth_l1,
)
from vision.algorithms.object_detection.matcher import MatcherSettings, Matches

FIXTURE = np.load(Path(__file__).parents[2] / "fixtures" / "multibox" / "loss_0.npz")


@pytest.fixture(params=["used rows", "all rows"])
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of the CPU and the way of an accelerator must give the same."""
    if request.param == "all rows":
        monkeypatch.setattr(loss_module, "used_rows", lambda is_used: None)


@pytest.mark.usefixtures("rows")
def test_cross_entropy_and_its_gradient_equal_mxnet() -> None:
    logits = torch.from_numpy(FIXTURE["cls_pred"]).requires_grad_()
    targets = torch.from_numpy(FIXTURE["cls_target"]).long()
    value = classification_loss(logits.transpose(1, 2), targets)
    value.backward()

    probability = np.take_along_axis(FIXTURE["cls_prob"], FIXTURE["cls_target"].clip(0)[:, None].astype(int), 1)
    used = FIXTURE["cls_target"] >= 0
    assert value.item() == pytest.approx(-np.log(probability[:, 0][used]).mean(), rel=1e-6)
    np.testing.assert_allclose(logits.grad.numpy(), FIXTURE["grad_cls_pred"], atol=1e-8)


def test_smooth_l1_and_its_gradient_equal_mxnet() -> None:
    offsets = torch.from_numpy(FIXTURE["loc_pred"]).requires_grad_()
    mask, targets = torch.from_numpy(FIXTURE["loc_mask"]), torch.from_numpy(FIXTURE["loc_target"])
    value = normalized_smooth_l1(mask * (offsets - targets))
    value.backward()
    above_zero = FIXTURE["loc_loss"] > 0
    assert value.item() == pytest.approx(FIXTURE["loc_loss"][above_zero].mean(), rel=1e-6)
    np.testing.assert_allclose(offsets.grad.numpy(), FIXTURE["grad_loc_pred"], atol=1e-8)


ANCHORS = Anchors(torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5]]), (GridShape(1, 2, 1),))


@pytest.mark.usefixtures("rows")
def test_localization_by_hand() -> None:
    # The object of image 0 is anchor 1 moved right by 0.05: offset 0.05 / 0.5 / 0.1 = 1 in x, 0 elsewhere.
    boxes = torch.tensor([[[0.55, 0.0, 1.05, 0.5]], [[0.0, 0.0, 0.0, 0.0]]])
    matches = Matches(torch.tensor([[-1, 0], [-1, -1]]), torch.ones(2, 2, dtype=torch.bool))
    offsets = torch.full((2, 2, 4), 7.0)
    offsets[0, 1] = torch.tensor([1.5, 0.0, 3.0, 0.0])
    offsets.requires_grad_()
    value = localization_loss(offsets, matches, ANCHORS.boxes_xyxy_unit, boxes)
    # Differences 0.5, 0, 3, 0 (the zeros up to rounding): losses 0.125 and 2.5.
    (value * 1.0).backward()
    above_zero = (offsets.grad != 0).sum().item()
    assert value.item() == pytest.approx((0.125 + 2.5) / above_zero, rel=1e-4)
    assert (offsets.grad[1] == 0).all()
    assert (offsets.grad[0, 0] == 0).all()


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("num_objects", [0, 2])
def test_a_batch_without_objects_learns_background(num_objects: int) -> None:
    logits = torch.zeros(2, 2, 4, requires_grad=True)
    offsets = torch.ones(2, 2, 4, requires_grad=True)
    boxes, labels = torch.zeros(2, num_objects, 4), torch.full((2, num_objects), -1)
    losses = multibox_loss(logits, offsets, ANCHORS, boxes, labels, MatcherSettings())
    assert losses["cross_entropy"].item() == pytest.approx(math.log(4))
    assert losses["smooth_l1"].item() == 0.0
    sum(losses.values()).backward()
    assert (logits.grad[..., 0] < 0).all()
    assert (offsets.grad == 0).all()


@pytest.mark.usefixtures("rows")
def test_everything_ignored_gives_zero_and_no_gradient() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    value = classification_loss(logits, torch.full((2, 3), -1))
    value.backward()
    assert value.item() == 0.0
    assert (logits.grad == 0).all()


def test_losses_go_down_when_the_prediction_is_right() -> None:
    boxes, labels = torch.tensor([[[0.5, 0.0, 1.0, 0.5]]]), torch.tensor([[2]])
    right = torch.zeros(1, 2, 4)
    right[0, 0, 0], right[0, 1, 3] = 20.0, 20.0
    losses = multibox_loss(right, torch.zeros(1, 2, 4), ANCHORS, boxes, labels, MatcherSettings())
    assert {name: value.item() for name, value in losses.items()} == {
        "cross_entropy": pytest.approx(0.0, abs=1e-6),
        "smooth_l1": 0.0,
    }


@pytest.mark.parametrize("num_objects", [0, 5])
def test_a_training_step_never_waits_for_the_device(num_objects: int) -> None:
    """On the meta device every read of a value and every shape that depends on values is an error."""
    with torch.device("meta"):
        logits = torch.zeros(2, 2, 4, requires_grad=True)
        offsets = torch.zeros(2, 2, 4, requires_grad=True)
        boxes, labels = torch.zeros(2, num_objects, 4), torch.zeros(2, num_objects, dtype=torch.int64)
    losses = multibox_loss(logits, offsets, ANCHORS.to("meta"), boxes, labels, MatcherSettings())
    sum(losses.values()).backward()
    assert logits.grad.shape == logits.shape
