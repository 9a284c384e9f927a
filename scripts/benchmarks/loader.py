"""The loader beside the training step that it feeds: images per second of both, in one run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measure import in_turn, machine, seconds_of
from torch.utils.data import DataLoader

from vision import algorithms
from vision.api.run_data import dataset
from vision.data.image_codec import prepare_process
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio import pack
from vision.data.recordio_writer import RecordIOWriter
from vision.data.sampler import TrainSampler
from vision.settings.job import Job

PHOTOS = 128
# What is fed: side of the stored image, hyperparameters, batch.
CASES: dict[str, tuple[tuple[int, int], dict[str, object], int]] = {
    "32x32 to 28, crop and mirror, ResNet-20": (
        (32, 32),
        {"num_layers": 20, "image_shape": "3,28,28", "augmentation_type": "crop"},
        128,
    ),
    "500x375 to 256, crop 224 and mirror, ResNet-18": (
        (500, 375),
        {"num_layers": 18, "image_shape": "3,224,224", "resize": 256, "augmentation_type": "crop"},
        16,
    ),
}


def write_photos(path: Path, width: int, height: int) -> None:
    """A .rec of JPEGs with detail at all scales, about as large as photographs of that size."""
    rng = np.random.default_rng(0)
    with RecordIOWriter(path) as writer:
        for number in range(PHOTOS):
            image = np.full((height, width, 3), 128.0, np.float32)
            for cells in (2, 5, 11, 23, 47, 101):
                noise = rng.normal(0, 60 / cells**0.6, (cells, cells, 3)).astype(np.float32)
                image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
            encoded = cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
            writer.write(number, pack(float(number % 10), number, encoded.tobytes()))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every case with 0, 1 and 2 loader processes."""
    device = torch.device(arguments.device)
    report: dict[str, Any] = {"machine": machine(device, ("torch", "opencv-python-headless", "numpy"))}
    prepare_process()
    for name, ((width, height), settings, batch) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "photos.rec"
            write_photos(path, width, height)
            report[name] = {"bytes an image": path.stat().st_size // PHOTOS}
            contestants = _contestants(path, settings, batch, device, arguments.batches)
            found = in_turn(contestants, arguments.rounds)
        report[name]["images per second"] = found
        best = max(values["median"] for part, values in found.items() if part != "step")
        report[name]["best loader / step"] = round(best / found["step"]["median"], 2)
    return report


def _contestants(
    path: Path, settings: dict[str, object], batch: int, device: torch.device, batches: int
) -> dict[str, Callable[[], float]]:
    algorithm = algorithms.get("image_classification")
    given = {"num_classes": 10, "num_training_samples": PHOTOS, "mini_batch_size": batch, **settings}
    channels = {"train": str(path), "validation": str(path)}
    job = Job.parse(algorithm.name, algorithm.hyperparameters, given, channels, {})
    network = algorithm.build_network(algorithm.architecture(job.hyperparameters)).to(device)
    network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    _, height, width = job.hyperparameters.image_shape
    images = torch.randint(256, (batch, height, width, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    labels = torch.randint(10, (batch,), device=device)

    def step() -> float:
        def one() -> None:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()

        return batch / seconds_of(one, device)

    def loader(workers: int) -> Callable[[], float]:
        data = dataset(algorithm, job, RecordIOReader([path]), "train")

        def load() -> float:
            sampler = TrainSampler(PHOTOS, batch, seed=0)
            # One long pass: the start of the processes is paid once a run, not once an epoch.
            draws = [draw for _ in range(-(-batches // len(sampler)) + 1) for draw in sampler]
            batch_loader = DataLoader(
                data, batch_sampler=draws, collate_fn=_same, num_workers=workers, worker_init_fn=_prepare
            )
            iterator = iter(batch_loader)
            next(iterator)
            return batches * batch / seconds_of(lambda: [next(iterator) for _ in range(batches)])

        return load

    return {"step": step, **{f"loader, {workers} processes": loader(workers) for workers in (0, 1, 2)}}


def _same(batch: Any) -> Any:
    return batch


def _prepare(_: int) -> None:
    prepare_process()
