"""Parts of SSD, ours and torchvision's, with the same anchors, outputs and objects.

Legend: N batch, A anchors, K classes incl. background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import ssd300_vgg16
from torchvision.ops import box_iou
from work import MOST_OBJECTS, random_objects

from vision.algorithms.object_detection.architecture import standard_architecture
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import build_network
from vision.algorithms.object_detection.predictions import DetectionSettings, detect

Sides = tuple[Callable[[], Any], Callable[[], Any]]


def make_parts(batch: int, num_classes: int, side_px: int, device: torch.device) -> dict[str, Sides]:
    """(ours, theirs) of each part. Every call waits for the device."""
    objects = random_objects(batch, MOST_OBJECTS, num_classes, torch.Generator().manual_seed(0))
    boxes, labels = objects.boxes_xyxy_unit.to(device), objects.labels.to(device)
    anchors = build_network(standard_architecture("vgg-16", side_px, num_classes)).to(device).anchors
    anchors_px = [anchors.boxes_xyxy_unit * side_px] * batch
    targets = [
        {"boxes": own[kept >= 0] * side_px, "labels": kept[kept >= 0] + 1}
        for own, kept in zip(boxes, labels, strict=True)
    ]
    model = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=num_classes + 1).to(device)

    def losses(backward: bool) -> Sides:
        logits, offsets = (
            output.requires_grad_() for output in random_outputs(batch, len(anchors_px[0]), num_classes, False, device)
        )
        head_outputs = {"cls_logits": logits, "bbox_regression": offsets}
        settings = MatcherSettings()

        def finish(found: dict[str, Tensor]) -> None:
            total = sum(found.values(), start=torch.zeros((), device=device))
            if backward:
                logits.grad = offsets.grad = None
                total.backward()
            total.item()

        def ours() -> None:
            finish(multibox_loss(logits, offsets, anchors, boxes, labels, settings))

        def theirs() -> None:
            pairs = zip(targets, anchors_px, strict=True)
            matched = [model.proposal_matcher(box_iou(target["boxes"], own)) for target, own in pairs]
            finish(model.compute_loss(targets, head_outputs, anchors_px, matched))

        return ours, theirs

    def detections(trained: bool) -> Sides:
        logits, offsets = random_outputs(batch, len(anchors_px[0]), num_classes, trained, device)
        sizes = [(side_px, side_px)] * batch
        head_outputs = {"cls_logits": logits, "bbox_regression": offsets}

        @torch.no_grad()
        def ours() -> None:
            detect(logits, offsets, anchors.boxes_xyxy_unit, DetectionSettings())
            _wait(device)

        @torch.no_grad()
        def theirs() -> None:
            model.postprocess_detections(head_outputs, anchors_px, sizes)
            _wait(device)

        return ours, theirs

    return {
        "assignment and losses": losses(backward=False),
        "assignment, losses and backward": losses(backward=True),
        "decoding and NMS, untrained": detections(trained=False),
        "decoding and NMS, trained": detections(trained=True),
    }


def random_outputs(
    batch: int, num_anchors: int, num_classes: int, trained: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits [N, A, K] and offsets [N, A, 4]; ``trained``: background wins at all but about 1 % of the anchors."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(batch, num_anchors, num_classes + 1, generator=generator)
    if trained:
        logits[..., 0] += 12.0
        is_object = torch.rand(batch, num_anchors, 1, generator=generator) < 0.01
        logits = torch.where(is_object, logits.roll(1, -1), logits)
    offsets = torch.randn(batch, num_anchors, 4, generator=generator)
    return logits.to(device), offsets.to(device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
