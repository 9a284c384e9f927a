"""Measure this package beside torchvision, in one run and in alternation: python scripts/benchmark.py detection.

Prints JSON: medians and spreads in milliseconds, ratios (theirs / ours, above 1 is faster than torchvision),
versions and the machine. Both sides get the same anchors, outputs and objects.
Legend: N batch, A anchors, K classes incl. background, M most objects of an image.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
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


def compare(pair: tuple[Callable, Callable], repetitions: int, device: torch.device, clock: str) -> dict[str, Any]:
    """Run both in turn, the first in each round alternating, after one round to warm up."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    times_ms: tuple[list[float], list[float]] = ([], [])
    for round_index in range(repetitions + 1):
        for side in (0, 1) if round_index % 2 else (1, 0):
            _wait(device)
            start = now()
            pair[side]()
            _wait(device)
            if round_index > 0:
                times_ms[side].append((now() - start) * 1e3)
    ours, theirs = (_summary(values) for values in times_ms)
    ratios = [slow / fast for fast, slow in zip(*times_ms, strict=True)]
    return {
        "ours_ms": ours,
        "torchvision_ms": theirs,
        "ratio": round(theirs["median"] / ours["median"], 2),
        "ratio_by_round": _summary(ratios),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), 3),
        "lower_quartile": round(ordered[quarter], 3),
        "upper_quartile": round(ordered[-1 - quarter], 3),
        "least": round(ordered[0], 3),
    }


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures were taken on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": os.getloadavg()[0],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def detection(arguments: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(arguments.device)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
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
        report[name] = compare(case, arguments.repetitions, device, arguments.clock)
        print(f"{name}: {report[name]['ratio']} times as fast", file=sys.stderr)
    if arguments.steps > 0:
        report["training_step"] = compare(training_step(pair, scene), arguments.steps, device, arguments.clock)
        print(f"training_step: {report['training_step']['ratio']} times as fast", file=sys.stderr)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=["detection"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--objects", type=int, default=30, help="most objects of an image")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3, help="repetitions of the whole step; 0 leaves it out")
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: time of this process, for a busy machine"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, help="file for the JSON; standard output if not given")
    arguments = parser.parse_args()
    text = json.dumps(detection(arguments), indent=2)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
