"""Small jobs for the real ``train`` process: data of two classes that are easy to tell apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import wrap
from vision.sagemaker.simulator import Simulator

IMAGES = 24
HYPERPARAMETERS: dict[str, Any] = {
    "num_classes": 2,
    "num_training_samples": IMAGES,
    "num_layers": 20,
    "image_shape": "3,8,8",
    "mini_batch_size": 8,
    "epochs": 2,
    "learning_rate": 0.01,
    "run.log_every_steps": 1,
    "run.device": "cpu",
    "run.workers": 0,
}


def images() -> Iterator[tuple[int, bytes]]:
    """(class id, PNG) of dark and bright 10x10 images."""
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = rng.integers(0, 90, (10, 10, 3)) + 160 * (number % 2)
        yield number % 2, cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes()


def records(folder: Path) -> Path:
    """A .rec file of the images."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.rec"
    path.write_bytes(b"".join(wrap(pack(label, number, png)) for number, (label, png) in enumerate(images())))
    return path


def manifest(folder: Path) -> Path:
    """An augmented manifest of the images with class ids, as Ground Truth writes them for several labels."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (label, png) in enumerate(images()):
        (folder / f"{number}.png").write_bytes(png)
        lines.append(json.dumps({"source-ref": f"s3://bucket/{number}.png", "labels": [label], "labels-metadata": {}}))
    path = folder / "data.manifest"
    path.write_text("\n".join(lines) + "\n")
    return path


def machine(folder: Path, algorithm: str = "image-classification", **environment: str) -> Simulator:
    """A machine of a job."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"VISION_ALGORITHM": algorithm, "OMP_NUM_THREADS": "1", "TRAINING_JOB_NAME": "my-job", **environment}
    return Simulator(folder, given)


def wait_for(machine: Simulator, text: str) -> str:
    """Read a machine's output until the text comes; what was read."""
    assert machine.process is not None
    assert machine.process.stdout is not None
    lines = []
    for line in machine.process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} did not come:\n{''.join(lines)}")
