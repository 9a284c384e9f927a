"""All images of a channel, decoded once by threads into one array.

Where each lies follows from the headers, before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vision.data.augmentations.resize import MAX_PIXELS
from vision.data.cache.transform_split import FixedPart, TransformSplit
from vision.data.dataset import ImageDataset
from vision.files.steady_file import SteadyFile
from vision.settings.counted import counted
from vision.settings.device import usable_cores
from vision.settings.errors import DataError

# Few enough that no thread has much left to do when the others are done.
_AT_A_TIME = 64
# Images from whose headers the size of all is estimated.
_SAMPLED = 64


@dataclass(frozen=True)
class DecodedImages:
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
        """Return the pixels uint8 [H, W, C] of one image, not a copy."""
        shape, start = self.layout.shapes[index], self.layout.starts[index]
        return self.pixels[start : start + int(shape.prod())].reshape(shape)

    @cached_property
    def stacked(self) -> np.ndarray | None:
        """Return all pixels as uint8 [n, H, W, C], if the images are of one size."""
        shape = self.layout.common
        return None if shape is None else self.pixels.reshape(-1, *shape)


def decode_all(dataset: ImageDataset, split: TransformSplit, layout: Layout, pixels: np.ndarray) -> DecodedImages:
    """Decode all images into ``pixels`` uint8 [bytes], which ``layout`` divides among them."""
    broken: dict[int, DataError] = {}
    kept = DecodedImages(pixels, layout, broken)

    def decode(indices: Iterable[int]) -> None:
        for index in indices:
            try:
                sample = dataset.reader[index]
                image = split.fixed(dataset.decode(sample), None, None, sample.key)[0]
                if split.random_part is not None and not split.random_part.fits(image.shape):
                    # Says in a sentence why.
                    dataset.transform(image, None, None, sample.key)
            except DataError as error:
                broken[index] = error
                continue
            kept[index][...] = image

    _in_threads(len(dataset), decode)
    return DecodedImages(pixels, layout, dict(sorted(broken.items())))


def decode_targets(dataset: ImageDataset) -> tuple[list[Any], dict[int, DataError]]:
    """Return the target of each image, None where the label cannot be used, and what is wrong with those."""
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
    with ThreadPoolExecutor(usable_cores(), "decode") as pool:
        try:
            for _ in pool.map(work, runs):
                pass
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Layout:
    """n images one after another, without gaps. ``shapes`` int64 [n, 3]: height, width, channels.

    What cannot be read has no pixels, or as many as the others where those are all of one size.
    """

    shapes: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """Return int64 [n]: the first byte of each image."""
        sizes = self.shapes.prod(axis=1)
        return np.cumsum(sizes) - sizes

    @property
    def size(self) -> int:
        """Return the bytes of all images."""
        return int(self.shapes.prod(axis=1).sum())

    @cached_property
    def channels(self) -> int:
        """Return the channels of every image that can be read."""
        return int(self.shapes[:, 2].max())

    @cached_property
    def common(self) -> tuple[int, int, int] | None:
        """Return height, width and channels, if they are those of every image."""
        height, width, channels = self.shapes[0].tolist()
        return (height, width, channels) if (self.shapes == self.shapes[0]).all() else None

    def __str__(self) -> str:
        readable = self.shapes[self.shapes.prod(axis=1) > 0]
        (low, narrow, _), (high, wide, _) = readable.min(axis=0).tolist(), readable.max(axis=0).tolist()
        sizes = f"{wide}x{high}" if self.common else f"{narrow}x{low} to {wide}x{high}"
        return f"{counted(len(self.shapes), 'image')} of {sizes}, {self.size / 1e9:.2g} GB"


def measure(dataset: ImageDataset, fixed: FixedPart) -> Layout:
    """Return the layout of all images after the ``fixed`` part, by their headers."""
    shapes = _shapes(dataset, fixed, np.arange(len(dataset)))
    readable = shapes[shapes.prod(axis=1) > 0]
    if len(readable) and (readable == readable[0]).all():
        shapes[:] = readable[0]
    return Layout(shapes)


def estimate(dataset: ImageDataset, fixed: FixedPart) -> int:
    """Return about how many bytes all images will take, by some that are spread over the channel."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLED).astype(np.int64))
    return int(_shapes(dataset, fixed, indices).prod(axis=1).mean() * len(dataset))


def _shapes(dataset: ImageDataset, fixed: FixedPart, indices: np.ndarray) -> np.ndarray:
    """Return height, width and channels, int64 [len(indices), 3], 0 where an image is unreadable or too large."""
    shapes = np.zeros((len(indices), 3), np.int64)
    for row, index in enumerate(indices.tolist()):
        try:
            shape = fixed.shape_after(dataset.decoded_shape(dataset.reader[index]))
        except DataError:
            continue
        if shape[0] * shape[1] <= MAX_PIXELS:
            shapes[row] = shape
    return shapes
