"""A detector small enough for tests, and scenes for it with large objects of two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vision import algorithms
from vision.algorithms.object_detection.algorithm import ObjectDetection
from vision.algorithms.object_detection.architecture import Architecture, standard_architecture
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.job import Job

SIDE_PX = 150
COLOURS = ((40, 200, 40), (200, 40, 200))


def small_plan(num_classes: int = 2, image_shape: int = 300) -> Architecture:
    """The maps and anchors of SSD on a narrow pre-activation ResNet of one unit a stage."""
    values = standard_architecture("resnet-18", image_shape, num_classes, is_mxnet=True).model_dump()
    values |= {"units": (1, 1, 1, 1), "filters": (16, 16, 16, 32, 32), "mean": (100.0,) * 3, "std": (60.0,) * 3}
    for layer in values["extra_layers"]:
        layer |= {"width_1x1": 16, "width_3x3": 32}
    return Architecture.model_validate(values)


def use_small_networks(patch: pytest.MonkeyPatch) -> None:
    """Let new detectors be small ones."""

    def architecture(
        _: ObjectDetection, hyperparameters: ObjectDetectionHyperparameters, backbone: str | None = None
    ) -> Architecture:
        return small_plan(hyperparameters.num_classes, hyperparameters.image_shape)

    patch.setattr(ObjectDetection, "architecture", architecture)


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [150, 150, 3] RGB with one or two rectangles, and their packed label."""
    image = rng.integers(60, 120, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
    label = [2.0, 5.0]
    for half in range(int(rng.integers(1, 3))):
        kind = int(rng.integers(2))
        width, height = rng.integers(40, 70, 2)
        left, top = int(rng.integers(0, SIDE_PX - width)), int(half * 75 + rng.integers(0, 76 - height))
        image[top : top + height, left : left + width] = COLOURS[kind]
        corners = np.array([left, top, left + width, top + height]) / SIDE_PX
        label += [float(kind), *corners.tolist()]
    return image, np.array(label, np.float32)


def write_scenes(path: Path, count: int, seed: int, without_objects: int = 0) -> Path:
    """A .rec of scenes; the last ``without_objects`` of them have an empty label and picture."""
    rng = np.random.default_rng(seed)
    with RecordIOWriter(path) as writer:
        for number in range(count):
            image, label = scene(rng)
            if number >= count - without_objects:
                image, label = np.full_like(image, 90), label[:2]
            encoded = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
            writer.write(number, pack(label, number, encoded))
    return path


def job(channels: dict[str, str], output: Path, run: dict[str, Any] | None = None, **hyperparameters: Any) -> Job[Any]:
    given = {
        "num_classes": 2,
        "num_training_samples": 8,
        "base_network": "resnet-18",
        "use_pretrained_model": 0,
        "mini_batch_size": 4,
        "epochs": 1,
        "optimizer": "adam",
        "learning_rate": 0.003,
        **hyperparameters,
    }
    settings = {"output": output, "device": "cpu", "workers": 0, "progress": "none", **(run or {})}
    facts = algorithms.facts_of("object_detection")
    return Job.parse(facts.name, facts.hyperparameters, given, channels, settings, facts.channels)
