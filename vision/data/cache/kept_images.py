"""Decodes every image of a channel once, by threads, into one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vision.data.cache.layout import Layout
from vision.data.cache.recipe import Division
from vision.data.dataset import ImageDataset
from vision.data.parallel import cpu_count
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

# Few enough that no thread has much left to do when the others are done.
_AT_A_TIME = 64


@dataclass(frozen=True)
class KeptImages:
    """All images of a channel. ``pixels`` uint8 [bytes] as ``layout`` says, undefined where an image is ``broken``.

    ``broken`` says what is wrong with an image, by its index. Where the pixels are mapped, ``file`` is theirs, which is
    looked at before they are: copies of them would take twice the time of cutting crops out of the map.
    """

    pixels: np.ndarray
    layout: Layout
    broken: dict[int, DataError]
    file: SteadyFile | None = None

    def check(self) -> None:
        """Raise FileChangedError if the file of the pixels has shrunk; touching them would end the process."""
        if self.file is not None:
            self.file.check()

    def __getitem__(self, index: int) -> np.ndarray:
        """The pixels uint8 [H, W, C] of one image, not a copy."""
        shape, start = self.layout.shapes[index], self.layout.starts[index]
        return self.pixels[start : start + int(shape.prod())].reshape(shape)

    @cached_property
    def stacked(self) -> np.ndarray | None:
        """All pixels as uint8 [n, H, W, C], if the images are of one size."""
        shape = self.layout.common
        return None if shape is None else self.pixels.reshape(-1, *shape)


def decode_all(dataset: ImageDataset, division: Division, layout: Layout, pixels: np.ndarray) -> KeptImages:
    """Fill ``pixels`` uint8 [bytes]."""
    broken: dict[int, DataError] = {}
    kept = KeptImages(pixels, layout, broken)

    def decode(indices: Iterable[int]) -> None:
        for index in indices:
            try:
                sample = dataset.reader[index]
                image = division.once(dataset.decode(sample), None, None, sample.key)[0]
                if division.recipe is not None and not division.recipe.fits(image.shape):
                    # Says in a sentence why.
                    dataset.transform(image, None, None, sample.key)
            except DataError as error:
                broken[index] = error
                continue
            kept[index][...] = image

    _in_threads(len(dataset), decode)
    return KeptImages(pixels, layout, dict(sorted(broken.items())))


def decode_targets(dataset: ImageDataset) -> tuple[list[Any], dict[int, DataError]]:
    """The target of each image, None where the label cannot be used, and what is wrong with those."""
    targets: list[Any] = []
    broken: dict[int, DataError] = {}
    for index in range(len(dataset)):
        try:
            targets.append(dataset.decode_target(dataset.reader.target(index), dataset.reader.key(index)))
        except DataError as error:
            targets.append(None)
            broken[index] = error
    return targets, broken


def _in_threads(count: int, work: Callable[[Iterable[int]], Any]) -> None:
    """Give 0..count-1 to ``work`` in runs, by a thread a core; the first error ends it."""
    runs = (range(start, min(start + _AT_A_TIME, count)) for start in range(0, count, _AT_A_TIME))
    with ThreadPoolExecutor(cpu_count(), "decode") as pool:
        try:
            for _ in pool.map(work, runs):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
