"""Training batches that DALI decodes and augments; order, draws, labels and broken images are the standard loader's."""

from __future__ import annotations

import importlib.util
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import ImageSmallerThanCropError
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.resize import ResizedImageTooLargeError
from vision.data.broken_images import Broken, first_usable
from vision.data.cache.batch_augmentation import shift_hls, to_device, to_grey
from vision.data.collate import Batch
from vision.data.dali.draws import ImageDraw, draw_image, is_supported
from vision.data.dataset import ImageDataset
from vision.data.image_codec import check_image, image_header
from vision.data.readers.file_table import HEIC_SUFFIXES
from vision.data.sample import Located, Reader
from vision.data.sampler import Draw, TrainSampler
from vision.data.stream import StreamDataset
from vision.settings.errors import DataError, UserError

# Batches under way: one is made while another is used and the next is read.
DEPTH = 3
_OTHERWISE = "or set run.loader=standard"
# What DALI documents for its decoders, of the kinds of images that are read here.
_DECODED = ("JPEG", "PNG", "WebP", "BMP", "TIFF")
_UNDECODED_SUFFIXES = {".gif": "GIF", ".avif": "AVIF", **dict.fromkeys(HEIC_SUFFIXES, "HEIC")}
# Images looked at before training; the names of all are looked at where they have names.
_LOOKED_AT = 256


@dataclass(frozen=True)
class DaliSettings:
    """``threads`` of the CPU for each training process; ``on_gpu``: JPEGs are decoded and batches made there."""

    threads: int
    on_gpu: bool


@runtime_checkable
class Stepwise(Protocol):
    """A transform that is nothing but augmentations, one after the other."""

    @property
    def augmentations(self) -> Sequence[Augmentation]:
        """The steps in their order."""


class _Chosen(NamedTuple):
    """One image of a batch, by its number in the reader, still encoded (uint8 [bytes])."""

    number: int
    encoded: np.ndarray
    target: Any
    draw: ImageDraw


class _UnderWay(NamedTuple):
    """What is known of a batch that DALI is making."""

    chosen: list[_Chosen]
    broken: tuple[Broken, ...]


class DaliLoader:
    """Each iteration gives the rest of the epoch that is under way, as ``TrainSampler`` does."""

    def __init__(self, dataset: ImageDataset, sampler: TrainSampler, settings: DaliSettings) -> None:
        self.dataset, self._augmentations = require_dali(dataset)
        self.sampler = sampler
        self.settings = settings
        # Made when it is first used: by then the process has its GPU.
        self._pipeline: Any = None

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        # DALI is an extra, and takes long to import.
        from vision.data.dali.pipeline import CropPipeline, EncodedBatch

        if self._pipeline is None:
            share = self.sampler.batch_size // self.sampler.world
            self._pipeline = CropPipeline(self._augmentations, share, self.settings, DEPTH)
        under_way: deque[_UnderWay] = deque()

        def encoded() -> Iterator[EncodedBatch]:
            for draw in self.sampler:
                batch = self._choose(draw)
                under_way.append(batch)
                yield EncodedBatch([image.encoded for image in batch.chosen], [image.draw for image in batch.chosen])

        made = self._pipeline.run(encoded())
        while True:
            try:
                images = next(made, None)
            except RuntimeError as error:
                raise self._sentence(under_way[0], error) from error
            if images is None:
                return
            yield self._finish(images, under_way.popleft())

    def _sentence(self, batch: _UnderWay, error: RuntimeError) -> UserError:
        keys = ", ".join(self.dataset.reader.key(image.number) for image in batch.chosen[:8])
        return UserError(
            f"DALI could not make a batch of {keys}, ...: if one of them is damaged, run.loader=standard names it and "
            f"goes on without it (DALI: {str(error).strip().splitlines()[0]})"
        )

    def _choose(self, draw: Draw) -> _UnderWay:
        chosen: list[_Chosen] = []
        broken: list[Broken] = []
        for index, seed in zip(draw.indices.tolist(), draw.seeds.tolist(), strict=True):
            found = first_usable(index, len(self.dataset), partial(self._read, seed), broken)
            if found is None:
                raise UserError("channel 'train': no readable image was found for a batch; see the warnings above")
            chosen.append(found)
        return _UnderWay(chosen, tuple(broken))

    def _finish(self, images: Tensor, batch: _UnderWay) -> Batch:
        offsets = np.asarray([image.draw.hls_offsets for image in batch.chosen], np.int64)
        if offsets.any():
            images = shift_hls(images, to_device(offsets, images.device))
        if any(isinstance(step, Grey) for step in self._augmentations):
            images = to_grey(images)
        targets = self.dataset.collate_targets([image.target for image in batch.chosen])
        indices = torch.tensor([image.number for image in batch.chosen])
        return Batch(images.permute(0, 3, 1, 2), targets, indices, batch.broken)

    def _read(self, seed: int, index: int) -> _Chosen:
        sample = self.dataset.reader[index]
        target = self.dataset.decode_target(sample.target, sample.key)
        header, body = check_image(bytes(sample.encoded), sample.key)
        if header.format not in _DECODED:
            raise UserError(_foreign(sample.key, header.format))
        width, height = header.upright_size
        try:
            draw = draw_image(self._augmentations, seed, (height, width))
        except (ImageSmallerThanCropError, ResizedImageTooLargeError):
            # Tells in a sentence what is wrong.
            self.dataset.read(index, seed)
            raise
        return _Chosen(index, np.frombuffer(body.encoded, np.uint8), target, draw)


def require_dali(dataset: ImageDataset | StreamDataset) -> tuple[ImageDataset, Sequence[Augmentation]]:
    """Return the dataset and the augmentations of which DALI can make its batches. Raises UserError."""
    if importlib.util.find_spec("nvidia") is None or importlib.util.find_spec("nvidia.dali") is None:
        raise UserError(
            f"run.loader=dali needs NVIDIA DALI, which is not installed here: pip install 'vision[dali]', {_OTHERWISE}"
        )
    if not isinstance(dataset, ImageDataset):
        raise UserError(
            f"run.loader=dali picks images by number, which Pipe mode does not allow: use File or FastFile mode, "
            f"{_OTHERWISE}"
        )
    steps = dataset.transform.augmentations if isinstance(dataset.transform, Stepwise) else ()
    if not is_supported(steps):
        raise UserError(
            f"run.loader=dali knows the augmentations of image_classification, and this job has others: {_OTHERWISE}"
        )
    if dataset.cache.kind in ("memory", "disk"):
        raise UserError(
            f"run.loader=dali decodes images anew each time, but run.cache is {dataset.cache.kind}: "
            f"set run.cache=none, {_OTHERWISE}"
        )
    _refuse_foreign_images(dataset.reader)
    return dataset, steps


def _refuse_foreign_images(reader: Reader) -> None:
    """Raise UserError where a channel has images that DALI cannot decode, by their names and the contents of some."""
    if isinstance(reader, Located):
        for index in range(len(reader)):
            kind = _UNDECODED_SUFFIXES.get(os.path.splitext(reader.path(index))[1].lower())
            if kind is not None:
                raise UserError(_foreign(reader.key(index), kind))
    for index in np.linspace(0, len(reader) - 1, min(_LOOKED_AT, len(reader))).astype(int).tolist():
        try:
            sample = reader[index]
            kind = image_header(sample.encoded, sample.key).format
        except DataError:
            # Counted and named where images are decoded.
            continue
        if kind not in _DECODED:
            raise UserError(_foreign(sample.key, kind))


def _foreign(key: str, kind: str) -> str:
    return (
        f"run.loader=dali cannot decode {kind}, which {key} is: save such images as JPEG or PNG (vision im2rec packs "
        f"them so), {_OTHERWISE}"
    )
