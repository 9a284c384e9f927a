"""SSD's targets, losses, decoding and suppression on the device are MXNet's, by the fixtures of the CPU's tests."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.algorithms.object_detection.test_loss import FIXTURE as LOSSES
from tests.algorithms.object_detection.test_matcher import FIXTURES, TARGETS, fixture_case
from tests.algorithms.object_detection.test_predictions import rows
from vision.algorithms.object_detection.architecture import standard_architecture
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.hard_negative_mining import assign_classes
from vision.algorithms.object_detection.loss import classification_loss, multibox_loss, normalized_smooth_l1
from vision.algorithms.object_detection.matcher import MatcherSettings, match
from vision.algorithms.object_detection.network import build_network
from vision.algorithms.object_detection.predictions import Detections, DetectionSettings, detect, detect_from_scores

DETECTIONS = ["detection_0", "detection_1_topk", "detection_2_force", "detection_3_noclip_nonms"]
# One unit in the last place of a float32 is 1.2e-7 of it; fused multiplications and divisions round once less or more.
ROUNDING = 1e-6


@pytest.mark.parametrize("name", TARGETS)
def test_targets_equal_mxnet(name: str, device: torch.device) -> None:
    on_host, *parts, settings, fixture = fixture_case(name)
    anchors = on_host.to(device)
    boxes, labels, difficulty = (part.to(device) for part in parts)
    matches = match(anchors, boxes, labels, settings)
    assert matches.object_index.device.type == device.type
    classes = assign_classes(matches, labels, difficulty, settings)
    np.testing.assert_array_equal(classes.cpu().numpy(), fixture["cls_target"])
    variances = tuple(json.loads(str(fixture["params"]))["variances"])
    matched = boxes.gather(1, matches.object_index.clamp(min=0).unsqueeze(-1).expand(-1, -1, 4))
    offsets = BoxCoder(variances).encode(matched, anchors.boxes_xyxy_unit)
    offsets = torch.where((matches.object_index >= 0).unsqueeze(-1), offsets, 0.0).flatten(1)
    np.testing.assert_allclose(offsets.cpu().numpy(), fixture["loc_target"], rtol=ROUNDING, atol=ROUNDING)


def test_losses_and_gradients_equal_mxnet(device: torch.device) -> None:
    given = {name: torch.from_numpy(LOSSES[name]).to(device) for name in LOSSES.files if LOSSES[name].dtype.kind == "f"}
    logits = given["cls_pred"].clone().requires_grad_()
    classification_loss(logits.transpose(1, 2), given["cls_target"].long()).backward()
    np.testing.assert_allclose(logits.grad.cpu().numpy(), LOSSES["grad_cls_pred"], atol=1e-7)
    offsets = given["loc_pred"].clone().requires_grad_()
    value = normalized_smooth_l1(given["loc_mask"] * (offsets - given["loc_target"]))
    value.backward()
    assert value.item() == pytest.approx(LOSSES["loc_loss"][LOSSES["loc_loss"] > 0].mean(), rel=1e-5)
    np.testing.assert_allclose(offsets.grad.cpu().numpy(), LOSSES["grad_loc_pred"], atol=1e-7)


@pytest.mark.parametrize("name", DETECTIONS)
def test_detections_equal_mxnet(name: str, device: torch.device) -> None:
    fixture = np.load(FIXTURES / f"{name}.npz")
    params = json.loads(str(fixture["params"]))
    settings = DetectionSettings(
        score_threshold=params["threshold"],
        max_candidates=params["nms_topk"] if params["nms_topk"] > 0 else None,
        nms_threshold=params["nms_threshold"] if params["nms_threshold"] > 0 else None,
        is_class_agnostic=params["force_suppress"],
        clip=params["clip"],
    )
    found = detect_from_scores(
        *torch.from_numpy(fixture["cls_prob"]).to(device)[:, 1:].max(dim=1),
        torch.from_numpy(fixture["loc_pred"]).to(device).view(2, -1, 4),
        torch.from_numpy(fixture["anchor"][0]).to(device),
        settings,
        BoxCoder(tuple(params["variances"])),
    )
    here = on_the_host(found)
    for image in range(2):
        expected = fixture["output"][image][fixture["output"][image, :, 0] >= 0]
        expected = expected[np.argsort(-expected[:, 1], kind="stable")]
        ours = rows(here, image)
        np.testing.assert_array_equal(ours[:, 0], expected[:, 0])
        np.testing.assert_allclose(ours[:, 1:], expected[:, 1:], atol=ROUNDING)


def test_a_whole_batch_is_the_cpus(device: torch.device) -> None:
    """At the full size of SSD-300, whose ways differ between the devices: losses, gradients and detections."""
    generator = torch.Generator().manual_seed(3)
    network = build_network(standard_architecture("resnet-50", 300, 3))
    network.eval()
    anchors = network.anchors
    count = len(anchors.boxes_xyxy_unit)
    # Far apart, so that no two scores change their order by rounding.
    order = torch.rand(2, count, 1, generator=generator).argsort(1).float() / count
    logits = torch.cat((3 - 6 * order, torch.rand(2, count, 3, generator=generator)), 2)
    offsets = torch.randn(2, count, 4, generator=generator) * 0.5
    corners = torch.rand(2, 6, 2, generator=generator) * 0.6
    boxes = torch.cat((corners, corners + 0.05 + 0.3 * torch.rand(2, 6, 2, generator=generator)), 2)
    labels = torch.randint(3, (2, 6), generator=generator)
    labels[1, 4:] = -1

    def on(where: torch.device) -> tuple[dict[str, torch.Tensor], torch.Tensor, Detections]:
        outputs = [part.to(where).requires_grad_() for part in (logits.clone(), offsets.clone())]
        there = anchors.to(where)
        logits_there, offsets_there = outputs
        losses = multibox_loss(logits_there, offsets_there, there, boxes.to(where), labels.to(where), MatcherSettings())
        torch.stack(list(losses.values())).sum().backward()
        gradient = torch.cat([part.grad.flatten() for part in outputs]).cpu()
        with torch.no_grad():
            found = detect(logits_there, offsets_there, there.boxes_xyxy_unit, DetectionSettings())
        return {name: value.detach().cpu() for name, value in losses.items()}, gradient, on_the_host(found)

    expected, found = on(torch.device("cpu")), on(device)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0.0)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-8)
    for image in range(2):
        np.testing.assert_allclose(rows(found[2], image), rows(expected[2], image), atol=1e-5)


def on_the_host(found: Detections) -> Detections:
    return Detections(found.boxes_xyxy_unit.cpu(), found.scores.cpu(), found.labels.cpu())
