"""Where each decoded image lies among all of a channel's: it follows from the headers, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.data.augmentations.resize import MAX_PIXELS
from vision.data.cache.recipe import Once
from vision.data.dataset import ImageDataset
from vision.settings.errors import DataError

_SAMPLED = 64


@dataclass(frozen=True)
class Layout:
    """n images one after another, without gaps. ``shapes`` int64 [n, 3]: height, width, channels.

    What cannot be read has no pixels, or as many as the others where those are all of one size.
    """

    shapes: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """Int64 [n]: the first byte of each image."""
        sizes = self.shapes.prod(axis=1)
        return np.cumsum(sizes) - sizes

    @property
    def size(self) -> int:
        """Bytes of all images."""
        return int(self.shapes.prod(axis=1).sum())

    @cached_property
    def channels(self) -> int:
        """Of every image that can be read."""
        return int(self.shapes[:, 2].max())

    @cached_property
    def common(self) -> tuple[int, int, int] | None:
        """Height, width and channels, if they are those of every image."""
        height, width, channels = self.shapes[0].tolist()
        return (height, width, channels) if (self.shapes == self.shapes[0]).all() else None

    def __str__(self) -> str:
        readable = self.shapes[self.shapes.prod(axis=1) > 0]
        (low, narrow, _), (high, wide, _) = readable.min(axis=0).tolist(), readable.max(axis=0).tolist()
        sizes = f"{wide}x{high}" if self.common else f"{narrow}x{low} to {wide}x{high}"
        return f"{len(self.shapes)} images of {sizes}, {self.size / 1e9:.2g} GB"


def measure(dataset: ImageDataset, once: Once) -> Layout:
    """The layout of all images after ``once``, by their headers."""
    shapes = _shapes(dataset, once, np.arange(len(dataset)))
    readable = shapes[shapes.prod(axis=1) > 0]
    if len(readable) and (readable == readable[0]).all():
        shapes[:] = readable[0]
    return Layout(shapes)


def estimate(dataset: ImageDataset, once: Once) -> int:
    """About how many bytes all images will take, by some that are spread over the channel."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLED).astype(np.int64))
    return int(_shapes(dataset, once, indices).prod(axis=1).mean() * len(dataset))


def _shapes(dataset: ImageDataset, once: Once, indices: np.ndarray) -> np.ndarray:
    """Int64 [len(indices), 3]: height, width and channels, 0 where an image cannot be read or would be too large."""
    shapes = np.zeros((len(indices), 3), np.int64)
    for row, index in enumerate(indices.tolist()):
        try:
            shape = once.shape_after(dataset.decoded_shape(dataset.reader[index]))
        except DataError:
            continue
        if shape[0] * shape[1] <= MAX_PIXELS:
            shapes[row] = shape
    return shapes
