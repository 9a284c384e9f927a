"""A whole epoch of training from a .rec beside a bare PyTorch loop over the same network and ready tensors."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measure import machine, seconds_of, summary

from vision import algorithms
from vision.api import train
from vision.data.recordio import pack
from vision.data.recordio_writer import RecordIOWriter
from vision.settings.job import Job

SETTINGS = {"num_classes": 10, "num_layers": 20, "image_shape": "3,28,28", "augmentation_type": "crop"}


def write_images(path: Path, count: int) -> None:
    """A .rec of 32x32 JPEGs of noise and shades."""
    rng = np.random.default_rng(0)
    with RecordIOWriter(path) as writer:
        for number in range(count):
            image = cv2.resize(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), (32, 32))
            encoded = cv2.imencode(".jpg", image)[1].tobytes()
            writer.write(number, pack(float(number % 10), number, encoded))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Epochs of both in alternation; the ratio is ours / bare, 1.10 is the most that is allowed."""
    device = torch.device(arguments.device)
    report: dict[str, Any] = {"machine": machine(device, ("torch", "pytorch-lightning")), "images": arguments.images}
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.rec"
        write_images(path, arguments.images)
        small = Path(folder) / "validation.rec"
        write_images(small, 64)
        for number in range(arguments.rounds):
            ours += _our_epochs(path, small, Path(folder) / str(number), arguments)
            bare += _bare_epochs(arguments, device)
    report["seconds an epoch"] = {"ours": summary(ours), "bare loop": summary(bare)}
    report["ours / bare"] = round(summary(ours)["median"] / summary(bare)["median"], 3)
    return report


def _job(train_path: str, validation: str, output: Path, arguments: argparse.Namespace) -> Job[Any]:
    given = {**SETTINGS, "num_training_samples": arguments.images, "mini_batch_size": arguments.batch, "epochs": 3}
    run_settings = {"output": output, "progress": "none", "device": arguments.device}
    table = algorithms.hyperparameters_class("image_classification")
    channels = {"train": train_path, "validation": validation}
    return Job.parse("image_classification", table, given, channels, run_settings)


def _our_epochs(path: Path, validation: Path, output: Path, arguments: argparse.Namespace) -> list[float]:
    """Seconds of the epochs after the first, which pays for the start of the loader."""
    result = train(_job(str(path), str(validation), output, arguments))
    return [row["seconds"] for row in result.history[1:]]


def _bare_epochs(arguments: argparse.Namespace, device: torch.device) -> list[float]:
    algorithm = algorithms.get("image_classification")
    given = {**SETTINGS, "num_training_samples": arguments.images, "mini_batch_size": arguments.batch}
    plan = algorithm.architecture(algorithm.hyperparameters.parse(given))
    network = algorithm.build_network(plan).to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)
    count = arguments.images // arguments.batch
    shape = (count, arguments.batch, 28, 28, 3)
    images = torch.randint(256, shape, dtype=torch.uint8, device=device).permute(0, 1, 4, 2, 3)
    labels = torch.randint(10, (count, arguments.batch), device=device)

    def epoch() -> None:
        for batch, target in zip(images, labels, strict=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(batch), target).backward()
            optimizer.step()

    return [seconds_of(epoch, device) for _ in range(3)][1:]
