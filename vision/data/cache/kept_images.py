"""Decodes every image of a channel once, by threads, into one array."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.data.dataset import ImageDataset, Transform
from vision.settings.errors import DataError

# Few enough that a thread is not kept by them for long when another has found that images differ in size.
_AT_A_TIME = 64
_SAMPLED = 64


class ImagesDifferError(Exception):
    """Images cannot lie in one array; the message says which and how."""


@dataclass(frozen=True)
class KeptImages:
    """All images of a channel. ``pixels`` uint8 [n, H, W, C] as ``once`` left them, undefined in rows of ``broken``.

    ``broken`` says what is wrong with an image, by its index.
    """

    pixels: np.ndarray
    broken: dict[int, str]


def common_shape(dataset: ImageDataset, once: Transform) -> tuple[int, ...]:
    """Shape [H, W, C] of some images spread over the channel after ``once``. Raises ImagesDifferError."""
    shapes: dict[tuple[int, ...], str] = {}
    for index in np.unique(np.linspace(0, len(dataset) - 1, _SAMPLED).astype(np.int64)).tolist():
        try:
            image = _image(dataset, once, index)
        except DataError:
            continue
        shapes.setdefault(image.shape, dataset.reader.key(index))
        if len(shapes) > 1:
            (one, first), (other, second) = shapes.items()
            raise ImagesDifferError(_differ(one, first, other, second))
    if not shapes:
        raise ImagesDifferError("of the images looked at none can be read")
    return next(iter(shapes))


def decode_all(dataset: ImageDataset, once: Transform, pixels: np.ndarray) -> KeptImages:
    """Fill ``pixels`` uint8 [n, H, W, C]. Raises ImagesDifferError."""
    broken: dict[int, str] = {}

    def decode(indices: Iterable[int]) -> None:
        for index in indices:
            try:
                image = _image(dataset, once, index)
            except DataError as error:
                broken[index] = str(error)
                continue
            if image.shape != pixels.shape[1:]:
                key = dataset.reader.key(index)
                raise ImagesDifferError(_differ(pixels.shape[1:], "others", image.shape, key))
            pixels[index] = image

    _in_threads(len(dataset), decode)
    return KeptImages(pixels, dict(sorted(broken.items())))


def decode_targets(dataset: ImageDataset) -> tuple[list[Any], dict[int, str]]:
    """The target of each image, None where the label cannot be used, and what is wrong with those."""
    targets: list[Any] = []
    broken: dict[int, str] = {}
    for index in range(len(dataset)):
        try:
            targets.append(dataset.decode_target(dataset.reader.target(index), dataset.reader.key(index)))
        except DataError as error:
            targets.append(None)
            broken[index] = str(error)
    return targets, broken


def _in_threads(count: int, work: Callable[[Iterable[int]], Any]) -> None:
    """Give 0..count-1 to ``work`` in runs, by a thread a core; the first error ends it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    runs = (range(start, min(start + _AT_A_TIME, count)) for start in range(0, count, _AT_A_TIME))
    with ThreadPoolExecutor(cores, "decode") as pool:
        try:
            for _ in pool.map(work, runs):
                pass
        finally:
            pool.shutdown(cancel_futures=True)


def _image(dataset: ImageDataset, once: Transform, index: int) -> np.ndarray:
    sample = dataset.reader[index]
    return once(dataset.decode(sample), None, None, sample.key)[0]


def _differ(one: tuple[int, ...], first: str, other: tuple[int, ...], second: str) -> str:
    shown = [f"{shape[1]}x{shape[0]} ({name})" for shape, name in ((one, first), (other, second))]
    return f"images differ in size: {' and '.join(shown)}"
