"""Decides whether a channel's images are decoded once and kept, and where, and says so in a sentence."""

from __future__ import annotations

import logging

import numpy as np
import torch

from vision.data.cache import cache_file
from vision.data.cache.cached_dataset import CachedDataset, CachedImageDataset
from vision.data.cache.decoded_images import DecodedImages, Layout, decode_all, estimate, measure
from vision.data.cache.free_memory import free_device_bytes, free_memory_bytes
from vision.data.cache.transform_split import Splittable, TransformSplit
from vision.data.dataset import CacheSettings, ImageDataset
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

# Of what is free, for one channel: the rest is the network's, the page cache's and other processes'.
SHARE = 0.25


class _NotKeptError(Exception):
    """Why images are not kept."""


def cached(dataset: ImageDataset, channel: str) -> ImageDataset | CachedDataset:
    """Return the dataset with its images decoded, or as it is.

    ``auto`` keeps images in memory where they take at most a quarter of what is free and are read more than once.
    Raises UserError where a kind that was asked for is not possible for want of room.
    """
    settings = dataset.cache
    if settings.kind == "none" or (settings.kind == "auto" and settings.epochs < 2):
        return dataset
    try:
        return _keep(dataset, channel)
    except _NotKeptError as reason:
        level = logging.INFO if settings.kind == "auto" else logging.WARNING
        log.log(level, "channel %r: images are decoded anew each time, since %s", channel, reason)
        return dataset


def _keep(dataset: ImageDataset, channel: str) -> ImageDataset | CachedDataset:
    settings, transform = dataset.cache, dataset.transform
    if not isinstance(transform, Splittable):
        raise _NotKeptError("this augmentation does not say what of it is always the same")
    split = transform.split()
    free = free_memory_bytes() // settings.processes
    if settings.kind == "auto" and estimate(dataset, split.fixed) > 2 * SHARE * free:
        raise _NotKeptError(f"they take far more than a quarter of the {free / 1e9:.2g} GB that are free")
    layout = measure(dataset, split.fixed)
    if not layout.size:
        raise _NotKeptError("none can be read")
    if settings.kind == "disk":
        log.info("channel %r: decoded images are kept in %s (%s)", channel, settings.folder, layout)
        kept = cache_file.open_or_make(dataset, split, layout, settings.folder)
        return _dataset(dataset, kept, split, None)
    if settings.kind == "auto" and layout.size > free * SHARE:
        raise _NotKeptError(f"{layout} are more than a quarter of the {free / 1e9:.2g} GB that are free")
    if layout.size > free:
        raise UserError(
            f"run.cache=memory: channel {channel!r} takes {layout}, but {free / 1e9:.2g} GB are free: "
            "set run.cache=disk"
        )
    log.info("channel %r: decoding all images once into memory (%s)", channel, layout)
    kept = decode_all(dataset, split, layout, np.empty(layout.size, np.uint8))
    return _dataset(dataset, kept, split, _device(settings, split, layout))


def _dataset(
    source: ImageDataset, kept: DecodedImages, split: TransformSplit, device: torch.device | None
) -> ImageDataset | CachedDataset:
    if split.random_part is None and split.rest is not None:
        return CachedImageDataset(source, kept, split.rest)
    return CachedDataset(source, kept, split.random_part, device)


def _device(settings: CacheSettings, split: TransformSplit, layout: Layout) -> torch.device | None:
    """Return the GPU of this process, if the images fit there and all that is drawn can be done there."""
    warps = split.random_part is not None and split.random_part.affine is not None
    by_image = split.random_part is None and split.rest is not None
    if not settings.on_gpu or warps or by_image:
        return None
    device = torch.device("cuda", torch.cuda.current_device())
    return device if layout.size <= free_device_bytes(device) * SHARE else None
