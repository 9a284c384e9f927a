"""The first step of a training run by the real trainer: its loss, its gradients, and the weights after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vision import algorithms
from vision.algorithms.object_detection.targets import PADDING_LABEL, PaddedTargets
from vision.data.collate import Batch
from vision.data.masks.mask_png import IGNORED
from vision.settings.run import RunSettings
from vision.training.progress import quiet_lightning
from vision.training.task import TrainingFacts
from vision.training.trainer import build_trainer

CLASSES = 3
# Loss scaling begins high and is halved until the gradients are finite.
MOST_STEPS = 24


@dataclass(frozen=True)
class Network:
    """One that an algorithm builds; ``plan`` in place of what its hyperparameters ask for."""

    algorithm: str
    hyperparameters: dict[str, Any]
    images: int
    side_px: int
    plan: Any = None


@dataclass(frozen=True)
class Step:
    """On the CPU, as float64: ``loss`` before, ``gradients`` and weights ``after`` by parameter."""

    loss: float
    gradients: dict[str, Tensor]
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    skipped: int

    def flat_gradient(self) -> Tensor:
        return torch.cat([value.flatten() for value in self.gradients.values()])

    def flat_change(self) -> Tensor:
        return torch.cat([(self.after[name] - self.before[name]).flatten() for name in self.after])


class Recorder(pl.Callback):
    """Ends the run after the first step whose gradients are finite."""

    def __init__(self) -> None:
        self.before: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.loss = math.nan
        self.steps = 0

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Any) -> None:
        scale = _scale_left(trainer, optimizer)
        named = _trained(task.network)
        self.before = {name: _kept(value) for name, value in named.items()}
        self.gradients = {name: _kept(value.grad) / scale for name, value in named.items() if value.grad is not None}
        self.steps += 1

    def on_train_batch_end(self, trainer: pl.Trainer, task: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if all(bool(torch.isfinite(value).all()) for value in self.gradients.values()):
            self.loss = float(task.last_loss)
            trainer.should_stop = True


def first_step(
    network: Network, device: torch.device, precision: str, folder: Path, *, matmul: str = "highest", **run: Any
) -> Step:
    """Take it. ``matmul``: "highest" is float32 without TF32, "high" with it."""
    quiet_lightning()
    torch.manual_seed(0)
    algorithm = algorithms.get(network.algorithm)
    hp = algorithm.facts.hyperparameters.parse(
        {
            "num_classes": CLASSES,
            "num_training_samples": network.images,
            "mini_batch_size": network.images,
            "epochs": 1,
            "learning_rate": 1e-3,
            **network.hyperparameters,
        }
    )
    settings = RunSettings.parse({"device": _name(device), "devices": 1, "precision": precision, **run})
    built = algorithm.build_network(algorithm.architecture(hp) if network.plan is None else network.plan)
    damp(built)
    task = algorithm.task(built, hp, settings, TrainingFacts(tuple(map(str, range(CLASSES)))))
    recorder = Recorder()
    trainer = build_trainer(hp, settings, callbacks=[recorder], folder=folder)
    torch.set_float32_matmul_precision(matmul)  # type: ignore[no-untyped-call]
    torch.backends.cudnn.allow_tf32 = matmul == "high"
    torch.backends.cudnn.benchmark = False
    batch = batch_for(network)
    trainer.fit(task, train_dataloaders=DataLoader([batch] * MOST_STEPS, batch_size=None, collate_fn=lambda b: b))
    assert math.isfinite(recorder.loss), f"no finite gradients in {MOST_STEPS} steps"
    after = {name: _kept(value) for name, value in _trained(task.network).items()}
    return Step(recorder.loss, recorder.gradients, recorder.before, after, recorder.steps - 1)


def damp(network: nn.Module) -> None:
    """Let the residual branches of a new network add little, as those of a trained one do.

    Otherwise batch normalisation of few images lets a rounding error grow from block to block, until the gradients of
    the first layers say nothing.
    """
    with torch.no_grad():
        for block in network.modules():
            last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
            if isinstance(last, nn.BatchNorm2d):
                last.weight.mul_(0.1)


def batch_for(network: Network) -> Batch:
    """Blurred noise, which has structure at more than one scale, with labels, boxes or masks."""
    generator = torch.Generator().manual_seed(1)
    count, side = network.images, network.side_px
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    images = nn.functional.interpolate(coarse, (side, side), mode="bilinear") * 255
    images = images.to(torch.uint8).contiguous(memory_format=torch.channels_last)
    indices = torch.arange(count)
    if network.algorithm == "image_classification":
        return Batch(images, indices % CLASSES, indices, ())
    if network.algorithm == "semantic_segmentation":
        # Classes follow the brightness, and the borders between them count for nothing.
        brightness = images.float().mean(1) * CLASSES / 256
        masks = brightness.to(torch.uint8)
        masks[(brightness - brightness.round()).abs() < 0.02] = IGNORED
        return Batch(images, masks, indices, ())
    corners = torch.rand(count, 4, 2, generator=generator) * 0.6
    boxes = torch.cat((corners, corners + 0.1 + 0.3 * torch.rand(count, 4, 2, generator=generator)), 2)
    labels = torch.arange(count * 4).reshape(count, 4) % CLASSES
    labels[0, 2:] = PADDING_LABEL
    return Batch(images, PaddedTargets(boxes, labels, torch.zeros_like(labels, dtype=torch.bool)), indices, ())


def relative(found: Tensor, expected: Tensor) -> float:
    """Length of the difference of two vectors, in lengths of the second."""
    return float((found - expected).norm() / expected.norm())


def _name(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else f"cuda:{device.index}"


def _trained(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def _kept(value: Tensor | None) -> Tensor:
    assert value is not None
    return value.detach().cpu().double().clone()


def _scale_left(trainer: pl.Trainer, optimizer: Any) -> float:
    """By what the gradients are still multiplied: a fused optimizer divides by the scale itself."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    left = scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False)
    return float(scaler.get_scale()) if left else 1.0
