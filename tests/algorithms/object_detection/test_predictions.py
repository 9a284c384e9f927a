from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms, nms

from vision.algorithms.object_detection import predictions
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.predictions import (
    Detections,
    DetectionSettings,
    best_classes,
    detect,
    detect_from_scores,
)
from vision.algorithms.object_detection.response import image_detections

FIXTURES = Path(__file__).parents[2] / "fixtures" / "multibox"


def rows(detections: Detections, image: int) -> np.ndarray:
    """MXNet's form of one image: class, score, xmin, ymin, xmax, ymax."""
    is_real = detections.labels[image] >= 0
    columns = (detections.labels[image].unsqueeze(1), detections.scores[image].unsqueeze(1))
    return torch.cat((*columns, detections.boxes_xyxy_unit[image]), 1)[is_real].numpy()


@pytest.mark.parametrize("name", ["detection_0", "detection_1_topk", "detection_2_force", "detection_3_noclip_nonms"])
def test_detections_equal_mxnet(name: str) -> None:
    fixture = np.load(FIXTURES / f"{name}.npz")
    params = json.loads(str(fixture["params"]))
    settings = DetectionSettings(
        score_threshold=params["threshold"],
        max_candidates=params["nms_topk"] if params["nms_topk"] > 0 else None,
        nms_threshold=params["nms_threshold"] if params["nms_threshold"] > 0 else None,
        is_class_agnostic=params["force_suppress"],
        clip=params["clip"],
    )
    detections = detect_from_scores(
        *torch.from_numpy(fixture["cls_prob"])[:, 1:].max(dim=1),
        torch.from_numpy(fixture["loc_pred"]).view(2, -1, 4),
        torch.from_numpy(fixture["anchor"][0]),
        settings,
        BoxCoder(tuple(params["variances"])),
    )
    for image in range(2):
        # Without suppression MXNet leaves its rows in the order of anchors.
        expected = fixture["output"][image][fixture["output"][image, :, 0] >= 0]
        expected = expected[np.argsort(-expected[:, 1], kind="stable")]
        ours = rows(detections, image)
        np.testing.assert_array_equal(ours[:, 0], expected[:, 0])
        np.testing.assert_allclose(ours[:, 1:], expected[:, 1:], atol=1e-6)


@pytest.mark.parametrize("way", ["used rows", "all rows"])
def test_best_classes_are_those_of_the_softmax(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "all rows":
        monkeypatch.setattr(predictions, "used_rows", lambda is_used: None)
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 500, 4, generator=generator) * 4
    scores, labels = best_classes(logits, 0.3)
    expected, expected_labels = logits.softmax(-1)[..., 1:].max(-1)
    is_found = expected >= 0.3
    assert 0 < is_found.sum() < is_found.numel()
    torch.testing.assert_close(scores[is_found], expected[is_found])
    assert torch.equal(labels[is_found], expected_labels[is_found])
    assert (scores[~is_found] < 0.3).all()


def test_padding_follows_the_detections() -> None:
    fixture = np.load(FIXTURES / "detection_0.npz")  # image 1 has nothing above the threshold
    detections = detect_from_scores(
        *torch.from_numpy(fixture["cls_prob"])[:, 1:].max(dim=1),
        torch.from_numpy(fixture["loc_pred"]).view(2, -1, 4),
        torch.from_numpy(fixture["anchor"][0]),
        DetectionSettings(),
    )
    is_padding = detections.labels < 0
    assert is_padding[1].all()
    assert not is_padding[0].all()
    assert (is_padding[0].int().diff() >= 0).all()
    assert (detections.scores[is_padding] == 0).all()
    assert (detections.boxes_xyxy_unit[is_padding] == 0).all()


@pytest.mark.parametrize("is_class_agnostic", [False, True])
def test_suppression_agrees_with_torchvision(is_class_agnostic: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 300, 6, generator=generator)
    anchors = torch.rand(300, 2, generator=generator).repeat(1, 2) + torch.tensor([0.0, 0.0, 0.2, 0.2])
    settings = DetectionSettings(
        score_threshold=0.2, nms_threshold=0.4, is_class_agnostic=is_class_agnostic, clip=False
    )
    detections = detect(logits, torch.zeros(4, 300, 4), anchors, settings)
    for image in range(4):
        scores, labels = logits[image].softmax(-1)[:, 1:].max(-1)
        used = scores >= 0.2
        boxes, scores, labels = anchors[used], scores[used], labels[used]
        keep = nms(boxes, scores, 0.4) if is_class_agnostic else batched_nms(boxes, scores, labels, 0.4)
        ours = rows(detections, image)
        np.testing.assert_array_equal(ours[:, 0], labels[keep].numpy())
        np.testing.assert_allclose(ours[:, 1], scores[keep].numpy(), rtol=1e-6)
        np.testing.assert_allclose(ours[:, 2:], boxes[keep].numpy(), atol=1e-6)


def test_equal_scores_keep_the_order_of_anchors() -> None:
    anchors = torch.tensor([[0.0, 0.0, 0.1, 0.1], [0.5, 0.5, 0.6, 0.6], [0.8, 0.8, 0.9, 0.9]])
    logits = torch.tensor([[[-9.0, 0.5, 0.5]] * 3])
    detections = detect(logits, torch.zeros(1, 3, 4), anchors, DetectionSettings(max_candidates=2))
    assert detections.labels.tolist() == [[0, 0]]  # the first of equal classes too
    torch.testing.assert_close(detections.boxes_xyxy_unit[0], anchors[:2])


# An anchor's offsets, and the box of anchor (0.4, 0.4, 0.6, 0.6) after them, clipped; None: it has no area.
EXTENTS = [
    ((0.0, 0.0, 0.0, 0.0), (0.4, 0.4, 0.6, 0.6)),
    ((60.0, 0.0, 0.0, 0.0), None),  # beyond the right border
    ((0.0, -60.0, 0.0, 0.0), None),  # above the upper border
    ((0.0, 0.0, -80.0, 0.0), None),  # narrower than six decimals tell
    ((0.0, 0.0, 0.0, -80.0), None),
    ((0.0, 0.0, 1e6, 0.0), (0.0, 0.4, 1.0, 0.6)),
    ((float("nan"), 0.0, 0.0, 0.0), None),
    ((0.0, 0.0, 0.0, float("nan")), None),
    ((float("inf"), 0.0, 0.0, 0.0), None),
]


@pytest.mark.parametrize(("offsets", "box"), EXTENTS, ids=[f"extent-{number}" for number in range(len(EXTENTS))])
def test_no_box_without_area_leaves_the_detector(offsets: tuple[float, ...], box: tuple[float, ...] | None) -> None:
    """Between two good ones, whose suppression it must not change."""
    anchors = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [0.8, 0.8, 1.0, 1.0]])
    logits = torch.tensor([[[0.0, 3.0], [0.0, 5.0], [0.0, 4.0]]])
    given = torch.zeros(1, 3, 4)
    given[0, 1] = torch.tensor(offsets)
    detections = detect(logits, given, anchors, DetectionSettings())
    expected = [*([] if box is None else [torch.tensor(box)]), anchors[2], anchors[0]]
    count = len(expected)
    assert (detections.labels[0] >= 0).sum() == count
    torch.testing.assert_close(detections.boxes_xyxy_unit[0, :count], torch.stack(expected), atol=1e-6, rtol=0)
    rows = image_detections(detections)[0].rows()
    assert all(x_max > x_min and y_max > y_min for _, _, x_min, y_min, x_max, y_max in rows)
