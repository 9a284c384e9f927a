"""Divides a batch that does not fit the memory into smaller ones whose gradients make one step (``run.fit_memory``)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vision.algorithms.algorithm import AnyAlgorithm
from vision.api.run_data import RunData, dataset
from vision.api.start_model import StartModel
from vision.data.broken_images import Broken, first_usable
from vision.data.cache.free_memory import free_device_bytes, free_memory_bytes
from vision.data.collate import stack_images
from vision.data.dataset import ImageDataset
from vision.settings.errors import is_out_of_memory
from vision.settings.job import TrainingJob
from vision.settings.strict_json import read_json
from vision.training.accelerator import choose_accelerator, choose_device
from vision.training.memory import measure_training_memory
from vision.training.optimizer import OPTIMIZERS
from vision.training.processes import machines
from vision.training.task import TrainingFacts
from vision.training.trainer import wanted_precision

log = logging.getLogger(__name__)

# Of what is free, the part that a batch may take: libraries need some besides.
_SHARE = 0.8
# Batch normalization needs more than one image.
_SMALLEST = 2


def divide_batch(
    algorithm: AnyAlgorithm, job: TrainingJob, data: RunData, start: StartModel, earlier: Path | None = None
) -> TrainingJob:
    """Return the job with as few parts of its batch as fit the memory, each with the gradients of the others added.

    ``earlier`` is the settings file of the run that is resumed, which keeps its parts. Several processes would have to
    agree, so that their batch is left as it is; so is that of a pipe, of which no image can be read ahead.
    """
    batch = job.hyperparameters.mini_batch_size
    if earlier is not None and earlier.exists():
        return _as_before(job, earlier)
    _, processes = choose_accelerator(job.run)
    train = dataset(algorithm, job, data.train, "train")
    if processes * machines() > 1 or not isinstance(train, ImageDataset):
        log.warning("run.fit_memory works with one process and without pipes: hp.mini_batch_size stays %d", batch)
        return job
    parts = fewest_parts(batch, _fits(algorithm, job, train, start))
    if parts > 1:
        log.warning(
            "batches of %d images do not fit the memory: %d of %d images make a step together",
            batch,
            parts,
            batch // parts,
        )
    return _divided(job, parts)


def fewest_parts(batch: int, fits: Callable[[int], bool]) -> int:
    """Return into how few equal parts a batch can be divided that fit; the most there are, if none does."""
    possible = [parts for parts in range(1, batch + 1) if batch % parts == 0 and batch // parts >= _SMALLEST] or [1]
    return next((parts for parts in possible if fits(batch // parts)), possible[-1])


def _divided(job: TrainingJob, parts: int) -> TrainingJob:
    hp = job.hyperparameters.model_copy(update={"mini_batch_size": job.hyperparameters.mini_batch_size // parts})
    return replace(job, hyperparameters=hp, run=job.run.model_copy(update={"accumulate": job.run.accumulate * parts}))


def _as_before(job: TrainingJob, earlier: Path) -> TrainingJob:
    """Return the job with the parts of an earlier run, or as it is if that had another batch: it is refused later."""
    try:
        stored = read_json(earlier)
        before, accumulated = int(stored["hyperparameters"]["mini_batch_size"]), int(stored["run"]["accumulate"])
        parts, rest = divmod(job.hyperparameters.mini_batch_size, before)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        # What is wrong with the file is said where it is compared.
        return job
    return _divided(job, parts) if not rest and accumulated == job.run.accumulate * parts else job


def _fits(algorithm: AnyAlgorithm, job: TrainingJob, train: ImageDataset, start: StartModel) -> Callable[[int], bool]:
    """Return what says whether a batch of so many images fits: an estimate on a CPU, a step on a GPU."""
    broken: list[Broken] = []
    example = first_usable(0, len(train), lambda index: train.read(index, 0), broken)
    if example is None:
        # Training says what is wrong with all of them.
        return lambda size: True
    hp, device = job.hyperparameters, choose_device(job.run)
    averages = OPTIMIZERS[hp.optimizer].kept(hp.optimizer_settings()) + (job.run.ema_decay is not None)
    if device.type != "cpu":
        return lambda size: step_fits(algorithm, job, train, start, device, averages, example, size)
    # A copy, whose batch normalization may learn from the images.
    memory = measure_training_memory(copy.deepcopy(start.network).train(), stack_images([example[0]] * 2), averages)
    free = free_memory_bytes()
    return lambda size: free == 0 or memory.bytes_of(size) <= _SHARE * free


def step_fits(
    algorithm: AnyAlgorithm,
    job: TrainingJob,
    train: ImageDataset,
    start: StartModel,
    device: torch.device,
    averages: int,
    example: tuple[np.ndarray, Any],
    size: int,
) -> bool:
    """Return whether a step with ``size`` times the image and target of ``example`` leaves the device some memory.

    The optimizer keeps ``averages`` numbers for each weight. The network is copied, and not changed.
    """
    try:
        _take_step(algorithm, job, train, start, device, averages, example, size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        # By now nothing refers to what the step took. Kept for later it would not count as free in the next try.
        torch.cuda.empty_cache()
    return True


def _take_step(
    algorithm: AnyAlgorithm,
    job: TrainingJob,
    train: ImageDataset,
    start: StartModel,
    device: torch.device,
    averages: int,
    example: tuple[np.ndarray, Any],
    size: int,
) -> None:
    hp = job.hyperparameters
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(wanted_precision(hp, job.run))
    image, target = example
    network = copy.deepcopy(start.network).to(device).train()
    task = algorithm.task(network, hp, job.run, TrainingFacts(tuple(map(str, range(hp.num_classes)))))
    targets = task.transfer_batch_to_device(train.collate_targets([target] * size), device, 0)
    # Stands for what the optimizer keeps, and for what is to stay free.
    kept = [torch.empty_like(parameter) for parameter in network.parameters() for _ in range(averages)]
    kept.append(torch.empty(int((1 - _SHARE) * free_device_bytes(device)), dtype=torch.uint8, device=device))
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        losses = task.to(device).losses(network(stack_images([image] * size).to(device)), targets)
    torch.stack(list(losses.values())).sum().backward()
