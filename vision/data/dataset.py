"""From a reader to batches: decode, transform, collate, in whatever process the loader runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.data.cache.settings import CacheSettings
from vision.data.collate import Batch, stack_images
from vision.data.image_codec import Needed, decode_rgb, image_size
from vision.data.sample import RawTarget, Reader, Sample
from vision.data.sampler import Draw
from vision.settings.errors import DataError

MAX_REPLACEMENTS = 100
NO_CACHE = CacheSettings()


class Transform(Protocol):
    """Augments or resizes one image: uint8 [H, W, 3] and its target in, the network's size out, fixed by the seed."""

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]: ...


@runtime_checkable
class Reducing(Protocol):
    """A transform that begins with bringing an image to a size."""

    @property
    def needed(self) -> Needed:
        """The size that an image of (height, width) px is brought to first; None if it is used as it is."""


def needed_by(transform: Transform) -> Needed | None:
    """What a transform reduces images to, if it does."""
    return transform.needed if isinstance(transform, Reducing) else None


class ImageDataset(Dataset[Any]):
    """Makes whole batches from draws of the sampler.

    A broken image is always counted and named in ``Batch.broken``. While training (``replace_broken``) the next
    readable image takes its place, because the batch must keep its size; in evaluation it is left out.
    ``cache`` is for whoever reads the dataset many times (``vision.data.cache.choice``). ``scaled_decode`` lets JPEGs
    be decoded at a fraction of their size where ``needed`` of the transform says that it reduces them anyway.
    """

    def __init__(
        self,
        reader: Reader,
        decode_target: Callable[[RawTarget, str], Any],
        transform: Transform,
        collate_targets: Callable[[list[Any]], Any],
        *,
        replace_broken: bool,
        cache: CacheSettings = NO_CACHE,
        scaled_decode: bool = False,
    ) -> None:
        self.reader = reader
        self.decode_target = decode_target
        self.transform = transform
        self.collate_targets = collate_targets
        self.replace_broken = replace_broken
        self.cache = cache
        self._needed = needed_by(transform) if scaled_decode else None

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        return self.read(index, None)

    def read(self, index: int, seed: int | None) -> tuple[np.ndarray, Any]:
        """One image, decoded and transformed, and its target."""
        sample = self.reader[index]
        target = self.decode_target(sample.target, sample.key)
        return self.transform(self.decode(sample), target, seed, sample.key)

    @property
    def scales(self) -> bool:
        """Whether JPEGs may be decoded smaller than they are."""
        return self._needed is not None

    def decode(self, sample: Sample) -> np.ndarray:
        """The image of a sample, uint8 [H, W, 3]."""
        return decode_rgb(sample.encoded, sample.key, needed=self._needed)

    def decoded_shape(self, sample: Sample) -> tuple[int, int, int]:
        """Height, width and channels that ``decode`` will give, from the header alone."""
        width, height = image_size(sample.encoded, sample.key, needed=self._needed)
        return height, width, 3

    def __getitems__(self, draw: Draw) -> Batch:
        images, targets, indices = [], [], []
        broken: list[tuple[int, str]] = []
        for index, seed in zip(draw.indices.tolist(), draw.seeds.tolist(), strict=True):
            found = self._first_readable(index, seed, broken)
            if found is None:
                continue
            image, target, used = found
            images.append(image)
            targets.append(target)
            indices.append(used)
        if not images:
            return Batch(torch.empty(0), None, torch.empty(0, dtype=torch.int64), tuple(broken))
        return Batch(stack_images(images), self.collate_targets(targets), torch.tensor(indices), tuple(broken))

    def _first_readable(
        self, index: int, seed: int, broken: list[tuple[int, str]]
    ) -> tuple[np.ndarray, Any, int] | None:
        for attempt in range(MAX_REPLACEMENTS if self.replace_broken else 1):
            candidate = (index + attempt) % len(self.reader)
            try:
                image, target = self.read(candidate, seed)
            except DataError as error:
                broken.append((candidate, str(error)))
                continue
            return image, target, candidate
        return None
