"""Images that were decoded once; the counterparts of ``ImageDataset``, and equal to it.

Legend: N batch, h w size of a batch's images, C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.data.broken_images import Broken, first_usable
from vision.data.cache.batch_augmentation import augment_on_device, augment_on_host, to_device
from vision.data.cache.decoded_images import DecodedImages, decode_targets
from vision.data.cache.transform_split import Drawn, RandomPart
from vision.data.collate import Batch
from vision.data.dataset import ImageDataset, Transform
from vision.data.sampler import Draw


class CachedDataset(Dataset[Any]):
    """Makes whole batches from draws of the sampler, without decoding.

    Without a ``random_part`` the images are of one size. ``device`` is where they then lie and batches are made; None
    leaves them in the host's memory. Broken images are named, replaced and left out as ``source`` does it.
    """

    def __init__(
        self,
        source: ImageDataset,
        kept: DecodedImages,
        random_part: RandomPart | None,
        device: torch.device | None = None,
    ) -> None:
        self.reader = source.reader
        self.random_part = random_part
        self._replace_broken = source.replace_broken
        self._collate_targets = source.collate_targets
        targets, unusable = decode_targets(source)
        # A label is looked at first.
        self._broken = kept.broken | unusable
        self._is_broken = np.zeros(len(targets), bool)
        self._is_broken[list(self._broken)] = True
        self._targets = targets
        # Targets of one shape are joined once; padded ones depend on their batch.
        self._joined = None if self._broken else self._join(targets, device)
        self._on_device = None if device is None else torch.from_numpy(kept.pixels).to(device)
        # Not held twice: the host's memory is free again.
        self.kept = kept if device is None else replace(kept, pixels=np.empty(0, np.uint8))

    @property
    def on_device(self) -> bool:
        """Return whether batches are made where they are used, and need no way there."""
        return self._on_device is not None

    @property
    def works_by_image(self) -> bool:
        """Return whether a batch takes work on each image, which further processes can share."""
        random_part = self.random_part if not self.on_device else None
        return random_part is not None and (random_part.affine is not None or random_part.color is not None)

    def __len__(self) -> int:
        return len(self.reader)

    def __getitems__(self, draw: Draw) -> Batch:
        indices, rows, broken = self._readable(draw.indices)
        if not len(indices):
            return Batch(torch.empty(0), None, torch.empty(0, dtype=torch.int64), broken)
        seeds = draw.seeds[rows]
        self.kept.check()
        if self._on_device is not None:
            indices_there = to_device(indices, self._on_device.device)
            images = self._made_there(self._on_device, indices, indices_there, seeds)
        else:
            indices_there = torch.from_numpy(indices)
            images = torch.from_numpy(self._made_here(indices, seeds))
        return Batch(images.permute(0, 3, 1, 2), self._targets_of(indices, indices_there), indices_there, broken)

    def _made_here(self, indices: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return images uint8 [N, h, w, C]."""
        if self.random_part is None:
            assert self.kept.stacked is not None
            return self.kept.stacked[indices]
        return augment_on_host(self.kept, indices, self.random_part, self._draw(self.random_part, indices, seeds))

    def _made_there(self, pixels: Tensor, indices: np.ndarray, indices_there: Tensor, seeds: np.ndarray) -> Tensor:
        layout = self.kept.layout
        if self.random_part is None:
            assert layout.common is not None
            return pixels.view(-1, *layout.common).index_select(0, indices_there)
        return augment_on_device(
            pixels, layout, indices, self.random_part, self._draw(self.random_part, indices, seeds)
        )

    def _draw(self, random_part: RandomPart, indices: np.ndarray, seeds: np.ndarray) -> Drawn:
        return random_part.draw(seeds, self.kept.layout.shapes[indices])

    def _targets_of(self, indices: np.ndarray, indices_there: Tensor) -> Any:
        if self._joined is not None:
            return self._joined[indices_there]
        return self._collate_targets([self._targets[index] for index in indices.tolist()])

    def _join(self, targets: list[Any], device: torch.device | None) -> Tensor | None:
        joined = self._collate_targets(targets)
        return joined.to(device) if isinstance(joined, Tensor) else None

    def _readable(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[Broken, ...]]:
        """Return images to use and the draw rows that they stand for, both int64 [N], and the broken ones met."""
        rows = np.arange(len(indices))
        if not self._is_broken[indices].any():
            return indices, rows, ()
        used, broken = indices.copy(), list[Broken]()
        for row in np.flatnonzero(self._is_broken[indices]).tolist():
            found = first_usable(int(indices[row]), len(self), self._usable, broken, self._replace_broken)
            used[row] = indices[row] if found is None else found
        readable = ~self._is_broken[used]
        return used[readable], rows[readable], tuple(broken)

    def _usable(self, index: int) -> int:
        if index in self._broken:
            raise self._broken[index]
        return index


class CachedImageDataset(ImageDataset):
    """Reads single images that were decoded once, for a transform that draws image by image.

    ``rest`` is what is left to be done to the decoded images of ``source``.
    """

    def __init__(self, source: ImageDataset, kept: DecodedImages, rest: Transform) -> None:
        super().__init__(
            source.reader,
            source.decode_target,
            rest,
            source.collate_targets,
            replace_broken=source.replace_broken,
        )
        self.kept = kept

    def read(self, index: int, seed: int | None) -> tuple[np.ndarray, Any]:
        """Return one image, transformed, and its target."""
        key = self.reader.key(index)
        target = self.decode_target(self.reader.target(index), key)
        if index in self.kept.broken:
            raise self.kept.broken[index]
        self.kept.check()
        return self.transform(self.kept[index], target, seed, key)
