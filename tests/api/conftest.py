from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vision import algorithms
from vision.api import RunResult, train
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.job import Job

NAMES = ("red", "green", "blue")


def picture(label: int, rng: np.random.Generator, size: int = 20) -> bytes:
    """A noisy PNG whose class is its strongest channel."""
    image = rng.integers(0, 120, (size, size, 3))
    image[:, :, 2 - label] += 90
    return cv2.imencode(".png", image.astype(np.uint8))[1].tobytes()


def write_records(path: Path, count: int, seed: int, broken: tuple[int, ...] = (), multi_label: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    with RecordIOWriter(path) as writer:
        for number in range(count):
            label = number % 3
            encoded = b"no image at all" if number in broken else picture(label, rng)
            target: Any = [float(label == k) for k in range(3)] if multi_label else float(label)
            writer.write(number, pack(target, number, encoded))
    return path


@pytest.fixture(scope="session")
def channels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("channels")
    return {
        "train": str(write_records(folder / "train.rec", 60, 0)),
        "validation": str(write_records(folder / "validation.rec", 33, 1)),
    }


def job(channels: dict[str, str], output: Path, run: dict[str, Any] | None = None, **hyperparameters: Any) -> Job[Any]:
    given = {
        "num_classes": 3,
        "num_training_samples": 60,
        "num_layers": 20,
        "image_shape": "3,16,16",
        "mini_batch_size": 20,
        "epochs": 2,
        "learning_rate": 0.05,
        **hyperparameters,
    }
    settings = {"output": output, "device": "cpu", "workers": 0, "progress": "none", **(run or {})}
    facts = algorithms.facts_of("image_classification")
    return Job.parse(facts.name, facts.hyperparameters, given, channels, settings, facts.channels)


@pytest.fixture(scope="session")
def trained(channels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run of two epochs; tests read it and leave it as it is."""
    return train(job(channels, tmp_path_factory.mktemp("runs") / "first", {"class_names": ",".join(NAMES)}))
