"""From a reader to batches: decode, transform, collate, in whatever process the loader runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.data.broken_images import Broken, first_usable
from vision.data.collate import Batch, stack_images
from vision.data.image_codec import Needed, decode_rgb, image_size
from vision.data.sample import RawTarget, Reader, Sample
from vision.data.sampler import Draw


@dataclass(frozen=True)
class CacheSettings:
    """What a run asks of the cache of decoded images.

    ``epochs``: how often each image is read. ``processes`` of the run share this machine's memory. ``folder`` is
    where ``disk`` keeps its files.
    """

    kind: Literal["auto", "memory", "disk", "none"] = "none"
    folder: Path = Path("runs") / "cache"
    epochs: int = 1
    processes: int = 1
    on_gpu: bool = False


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


@runtime_checkable
class Framing(Protocol):
    """A decoder of targets that are drawn on the pixels of their image, which may be stored turned."""

    def in_frame(self, target: Any, encoded: bytes | memoryview, key: str) -> Any:
        """Return a target as it lies on the upright image. Raises DataError where the two do not fit."""


class Prepared(NamedTuple):
    """An image as the network takes it, uint8 [H, W, C], its target, and its number in the channel."""

    image: np.ndarray
    target: Any
    number: int


class ImagePipeline:
    """Makes batches of encoded images: decodes them and their labels, transforms and joins them.

    ``scaled_decode`` lets JPEGs be decoded at a fraction of their size where ``needed`` of the transform says that it
    reduces them anyway.
    """

    def __init__(
        self,
        decode_target: Callable[[RawTarget, str], Any],
        transform: Transform,
        collate_targets: Callable[[list[Any]], Any],
        *,
        scaled_decode: bool = False,
    ) -> None:
        self.decode_target = decode_target
        self.transform = transform
        self.collate_targets = collate_targets
        # Looked up once: it takes longer than a label.
        self._in_frame = decode_target.in_frame if isinstance(decode_target, Framing) else None
        self._needed = transform.needed if scaled_decode and isinstance(transform, Reducing) else None

    @property
    def scales(self) -> bool:
        """Whether JPEGs may be decoded smaller than they are."""
        return self._needed is not None

    def decode(self, sample: Sample) -> np.ndarray:
        """Return the image of a sample, uint8 [H, W, 3]."""
        return decode_rgb(sample.encoded, sample.key, needed=self._needed)

    def decoded_shape(self, sample: Sample) -> tuple[int, int, int]:
        """Return height, width and channels that ``decode`` will give, from the header alone."""
        width, height = image_size(sample.encoded, sample.key, needed=self._needed)
        return height, width, 3

    def prepare(self, sample: Sample, seed: int | None) -> tuple[np.ndarray, Any]:
        """Return one image, decoded and transformed, and its target. Raises DataError."""
        target = self.decode_target(sample.target, sample.key)
        if self._in_frame is not None:
            target = self._in_frame(target, sample.encoded, sample.key)
        return self.transform(self.decode(sample), target, seed, sample.key)

    def join(self, prepared: Sequence[Prepared], broken: Sequence[Broken]) -> Batch:
        """Return the batch of some images; without any it holds what is ``broken`` alone."""
        if not prepared:
            return Batch(torch.empty(0), None, torch.empty(0, dtype=torch.int64), tuple(broken))
        images, targets, indices = map(list, zip(*prepared, strict=True))
        return Batch(stack_images(images), self.collate_targets(targets), torch.tensor(indices), tuple(broken))


class ImageDataset(ImagePipeline, Dataset[Any]):
    """Makes whole batches from draws of the sampler.

    A broken image is always counted and named in ``Batch.broken``. While training (``replace_broken``) the next
    readable image takes its place, because the batch must keep its size; in evaluation it is left out. ``cache`` says
    whether decoded images may be kept for later epochs (``vision.data.cache.choice``).
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
        super().__init__(decode_target, transform, collate_targets, scaled_decode=scaled_decode)
        self.reader = reader
        self.replace_broken = replace_broken
        self.cache = cache

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        return self.read(index, None)

    def read(self, index: int, seed: int | None) -> tuple[np.ndarray, Any]:
        """Return one image, decoded and transformed, and its target. Raises DataError."""
        return self.prepare(self.reader[index], seed)

    def __getitems__(self, draw: Draw) -> Batch:
        prepared: list[Prepared] = []
        broken: list[Broken] = []
        for index, seed in zip(draw.indices.tolist(), draw.seeds.tolist(), strict=True):
            found = first_usable(index, len(self), partial(self._prepared, seed), broken, self.replace_broken)
            if found is not None:
                prepared.append(found)
        return self.join(prepared, broken)

    def _prepared(self, seed: int, index: int) -> Prepared:
        return Prepared(*self.read(index, seed), index)
