"""A channel of small pictures for tests of the cache."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.transforms import build_transform
from vision.data.dataset import CacheSettings, ImageDataset
from vision.data.sample import RawTarget, Sample
from vision.settings.errors import DataError


class Pictures:
    """A reader of PNGs of random pixels. ``sizes`` (height, width) by index; ``broken`` are no images."""

    class_names = None

    def __init__(self, sizes: list[tuple[int, int]], broken: tuple[int, ...] = (), seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        pixels = [cv2.GaussianBlur(rng.integers(0, 256, (*size, 3), np.uint8), (3, 3), 1) for size in sizes]
        self.files = [cv2.imencode(".png", image)[1].tobytes() for image in pixels]
        for index in broken:
            self.files[index] = b"this is no image"
        self.reads = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return Sample(self.files[index], self.target(index), self.key(index))

    def target(self, index: int) -> np.ndarray:
        return np.asarray([index], np.float32)

    def key(self, index: int) -> str:
        return f"picture {index}"


def decode_target(raw: RawTarget, key: str) -> np.ndarray:
    """The number of the picture; 13 is a label that cannot be used."""
    assert isinstance(raw, np.ndarray)
    if raw[0] == 13:
        raise DataError(key, "has the label 13")
    return np.asarray(raw[0], np.int64)


def stack_targets(targets: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack(targets))


def dataset(
    reader: Pictures,
    stage: str = "train",
    level: str | None = "crop",
    cache: CacheSettings | None = None,
    *,
    scaled_decode: bool = False,
    **values: str,
) -> ImageDataset:
    """Image classification's dataset over the reader: crops of 12x10."""
    given = {"num_classes": 5, "num_training_samples": 10, "image_shape": "3,12,10", **values}
    if level is not None:
        given["augmentation_type"] = level
    transform = build_transform(ImageClassificationHyperparameters.parse(given), stage)  # type: ignore[arg-type]
    return ImageDataset(
        reader,
        decode_target,
        transform,
        stack_targets,
        replace_broken=stage == "train",
        cache=cache or CacheSettings(),
        scaled_decode=scaled_decode,
    )
