"""Target assignment, losses, NMS and the whole training step of SSD-300 beside torchvision's.

Ratios are theirs / ours, above 1 is faster than torchvision. Both sides get the same anchors, outputs and objects.
Legend: N batch, A anchors, K classes incl. background, M most objects of an image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from measure import alternate, machine
from torch import Tensor
from torchvision.models.detection import ssd300_vgg16
from torchvision.ops import box_iou

from vision.algorithms.object_detection.architecture import standard_architecture
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import SSD, build_network
from vision.algorithms.object_detection.predictions import DetectionSettings, detect

SIDE_PX = 300
NUM_CLASSES = 20
# Ratios that the package sets itself as goals.
GOALS = {"assignment_and_loss": 5.0, "decode_and_nms": 5.0, "training_step": 1.0}


@dataclass(frozen=True)
class Scene:
    """A batch in both forms: ours padded and in unit coordinates, torchvision's a list in pixels."""

    images: Tensor
    boxes_xyxy_unit: Tensor
    labels: Tensor

    @classmethod
    def random(cls, batch: int, most_objects: int, device: torch.device) -> Scene:
        """1 to M objects an image, of 3 to 40 % of its side."""
        generator = torch.Generator().manual_seed(0)
        centre = torch.rand(batch, most_objects, 2, generator=generator)
        half = (0.03 + 0.37 * torch.rand(batch, most_objects, 2, generator=generator)) / 2
        boxes = torch.cat(((centre - half).clamp(0, 0.99), (centre + half).clamp(0.01, 1)), dim=2)
        labels = torch.randint(NUM_CLASSES, (batch, most_objects), generator=generator)
        count = torch.randint(1, most_objects + 1, (batch, 1), generator=generator)
        labels[torch.arange(most_objects) >= count] = -1
        images = torch.randint(256, (batch, 3, SIDE_PX, SIDE_PX), generator=generator, dtype=torch.uint8)
        images = images.contiguous(memory_format=torch.channels_last)
        return cls(images.to(device), boxes.to(device), labels.to(device))

    def as_torchvision(self) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Float images in 0..1 and targets with labels from 1."""
        targets = [
            {"boxes": boxes[labels >= 0] * SIDE_PX, "labels": labels[labels >= 0] + 1}
            for boxes, labels in zip(self.boxes_xyxy_unit, self.labels, strict=True)
        ]
        return list((self.images / 255).contiguous()), targets


@dataclass(frozen=True)
class Contestants:
    """Both networks on one device."""

    ours: SSD
    theirs: torch.nn.Module

    @classmethod
    def make(cls, device: torch.device) -> Contestants:
        torch.manual_seed(0)
        ours = build_network(standard_architecture("vgg-16", SIDE_PX, NUM_CLASSES))
        theirs = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=NUM_CLASSES + 1)
        return cls(ours.to(device, memory_format=torch.channels_last), theirs.to(device))


def assignment_and_loss(
    pair: Contestants, scene: Scene, outputs: tuple[Tensor, Tensor], backward: bool
) -> tuple[Callable, Callable]:
    """From network outputs [N, A, K] and [N, A, 4] to the losses, and back to the outputs if wished."""
    logits, offsets = (output.clone().requires_grad_() for output in outputs)
    settings, anchors = MatcherSettings(), pair.ours.anchors
    anchors_px = [anchors.boxes_xyxy_unit * SIDE_PX] * len(scene.labels)
    _, targets = scene.as_torchvision()
    head_outputs = {"cls_logits": logits, "bbox_regression": offsets}
    matcher, compute_loss = pair.theirs.proposal_matcher, pair.theirs.compute_loss

    def finish(losses: dict[str, Tensor]) -> None:
        if backward:
            logits.grad = offsets.grad = None
            sum(losses.values()).backward()

    def ours() -> None:
        finish(multibox_loss(logits, offsets, anchors, scene.boxes_xyxy_unit, scene.labels, settings))

    def theirs() -> None:
        matched = [matcher(box_iou(target["boxes"], boxes)) for target, boxes in zip(targets, anchors_px, strict=True)]
        finish(compute_loss(targets, head_outputs, anchors_px, matched))

    return ours, theirs


def decode_and_nms(pair: Contestants, outputs: tuple[Tensor, Tensor]) -> tuple[Callable, Callable]:
    """From network outputs to detections, with torchvision's thresholds (0.01, 0.45, 400 candidates)."""
    logits, offsets = outputs
    boxes = pair.ours.anchor_boxes
    anchors_px = [boxes * SIDE_PX] * len(logits)
    sizes = [(SIDE_PX, SIDE_PX)] * len(logits)
    head_outputs = {"cls_logits": logits, "bbox_regression": offsets}

    @torch.no_grad()
    def ours() -> None:
        detect(logits, offsets, boxes, DetectionSettings())

    @torch.no_grad()
    def theirs() -> None:
        pair.theirs.postprocess_detections(head_outputs, anchors_px, sizes)

    return ours, theirs


def training_step(pair: Contestants, scene: Scene) -> tuple[Callable, Callable]:
    """From images on the device to updated weights: float32, SGD with momentum."""
    images, targets = scene.as_torchvision()
    ours_sgd, theirs_sgd = (
        torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9) for network in (pair.ours, pair.theirs)
    )
    settings = MatcherSettings()
    pair.ours.train()
    pair.theirs.train()

    def ours() -> None:
        output = pair.ours(scene.images)
        losses = multibox_loss(*output, pair.ours.anchors, scene.boxes_xyxy_unit, scene.labels, settings)
        ours_sgd.zero_grad()
        sum(losses.values()).backward()
        ours_sgd.step()

    def theirs() -> None:
        losses = pair.theirs(images, targets)
        theirs_sgd.zero_grad()
        sum(losses.values()).backward()
        theirs_sgd.step()

    return ours, theirs


def random_outputs(batch: int, num_anchors: int, device: torch.device, trained: bool) -> tuple[Tensor, Tensor]:
    """Logits and offsets; ``trained``: background wins at all but about 1 % of the anchors."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(batch, num_anchors, NUM_CLASSES + 1, generator=generator)
    if trained:
        logits[..., 0] += 12.0
        is_object = torch.rand(batch, num_anchors, 1, generator=generator) < 0.01
        logits = torch.where(is_object, logits.roll(1, -1), logits)
    offsets = torch.randn(batch, num_anchors, 4, generator=generator)
    return logits.to(device), offsets.to(device)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All cases; the step last."""
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    report: dict[str, Any] = {"machine": machine(device), "clock": arguments.clock, "goals": GOALS}
    report["batch"] = arguments.batch
    pair = Contestants.make(device)
    scene = Scene.random(arguments.batch, arguments.objects, device)
    report["anchors"], report["objects"] = len(pair.ours.anchor_boxes), int((scene.labels >= 0).sum())
    outputs = {
        name: random_outputs(arguments.batch, report["anchors"], device, name == "trained")
        for name in ("untrained", "trained")
    }
    cases = {
        "assignment_and_loss": assignment_and_loss(pair, scene, outputs["untrained"], backward=False),
        "assignment_loss_and_backward": assignment_and_loss(pair, scene, outputs["untrained"], backward=True),
        "decode_and_nms": decode_and_nms(pair, outputs["untrained"]),
        "decode_and_nms_trained": decode_and_nms(pair, outputs["trained"]),
    }
    for name, case in cases.items():
        report[name] = alternate(*case, arguments.repetitions, device, arguments.clock)
        print(f"{name}: {report[name]['ratio']} times as fast", file=sys.stderr)
    if arguments.steps > 0:
        report["training_step"] = alternate(*training_step(pair, scene), arguments.steps, device, arguments.clock)
        print(f"training_step: {report['training_step']['ratio']} times as fast", file=sys.stderr)
    return report
