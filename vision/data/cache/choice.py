"""Decides whether a channel's images are decoded once and kept, and where, and says so in a sentence."""

from __future__ import annotations

import logging

import numpy as np
import torch

from vision.data.cache import cache_file
from vision.data.cache.cached_dataset import CachedDataset
from vision.data.cache.free_memory import free_device_bytes, free_memory_bytes
from vision.data.cache.kept_images import ImagesDifferError, common_shape, decode_all
from vision.data.cache.recipe import Divisible, Division
from vision.data.cache.settings import CacheSettings
from vision.data.dataset import ImageDataset
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

# Of what is free, for one channel: the rest is the network's, the page cache's and other processes'.
SHARE = 0.25


class _NotKeptError(Exception):
    """Why images are not kept."""


def cached(dataset: ImageDataset, channel: str) -> ImageDataset | CachedDataset:
    """The dataset with its images decoded, or as it is.

    ``auto`` keeps images in memory where they take at most a quarter of what is free and are read more than once.
    Raises UserError where a kind that was asked for is not possible for want of room.
    """
    settings = dataset.cache
    if settings.kind == "none" or (settings.kind == "auto" and settings.epochs < 2):
        return dataset
    try:
        division = _divide(dataset)
        shape = common_shape(dataset, division.once)
        if division.recipe is not None and not division.recipe.fits(shape):
            raise _NotKeptError(f"they are {shape[1]}x{shape[0]}, smaller than the crop")
        return _keep(dataset, division, shape, channel)
    except (_NotKeptError, ImagesDifferError) as reason:
        level = logging.INFO if settings.kind == "auto" else logging.WARNING
        log.log(level, "channel %r: images are decoded anew each time, since %s", channel, reason)
        return dataset


def _divide(dataset: ImageDataset) -> Division:
    transform = dataset.transform
    division = transform.divide() if isinstance(transform, Divisible) else None
    if division is None:
        raise _NotKeptError("this augmentation draws image by image")
    return division


def _keep(dataset: ImageDataset, division: Division, shape: tuple[int, ...], channel: str) -> CachedDataset:
    settings = dataset.cache
    size = len(dataset) * int(np.prod(shape))
    shown = f"{len(dataset)} images of {shape[1]}x{shape[0]}, {size / 1e9:.2g} GB"
    if settings.kind == "disk":
        log.info("channel %r: decoded images are kept in %s (%s)", channel, settings.folder, shown)
        kept = cache_file.open_or_make(dataset, division, shape, settings.folder)
        return CachedDataset(dataset, kept, division.recipe)
    free = free_memory_bytes() // settings.processes
    if settings.kind == "auto" and size > free * SHARE:
        raise _NotKeptError(f"{shown} are more than a quarter of the {free / 1e9:.2g} GB that are free")
    if size > free:
        raise UserError(
            f"run.cache=memory: channel {channel!r} takes {shown}, but {free / 1e9:.2g} GB are free: set run.cache=disk"
        )
    log.info("channel %r: decoding all images once into memory (%s)", channel, shown)
    pixels = np.empty((len(dataset), *shape), np.uint8)
    kept = decode_all(dataset, division.once, pixels)
    return CachedDataset(dataset, kept, division.recipe, _device(settings, division, size))


def _device(settings: CacheSettings, division: Division, size: int) -> torch.device | None:
    """The GPU of this process, if the images fit there and all that is drawn can be done there."""
    if not settings.on_gpu or (division.recipe is not None and division.recipe.affine is not None):
        return None
    device = torch.device("cuda", torch.cuda.current_device())
    return device if size <= free_device_bytes(device) * SHARE else None
