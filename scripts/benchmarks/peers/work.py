"""What the contestants with this package in their environment share: the job, its network and a ready batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vision import algorithms
from vision.data.collate import Batch
from vision.settings.job import Job


def job_of(told: dict[str, Any]) -> Job[Any]:
    """The job that the parent describes, with ``folder`` for both channels, which are not read."""
    algorithm = algorithms.get(told["algorithm"])
    channels = {"train": told["folder"], "validation": told["folder"]}
    return Job.parse(algorithm.name, algorithm.hyperparameters, told["hyperparameters"], channels, told["run"])


def network_of(told: dict[str, Any]) -> nn.Module:
    """The same untrained weights in every process."""
    torch.manual_seed(0)
    algorithm = algorithms.get(told["algorithm"])
    return algorithm.build_network(algorithm.architecture(job_of(told).hyperparameters))


def ready_batch(job: Job[Any]) -> Batch:
    """Noise of classification, uint8 in channels_last memory as the loader gives it."""
    hp = job.hyperparameters
    generator = torch.Generator().manual_seed(0)
    channels, height, width = hp.image_shape
    shape = (hp.mini_batch_size, height, width, channels)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)
    labels = torch.randint(hp.num_classes, (hp.mini_batch_size,), generator=generator)
    return Batch(images, labels, torch.arange(hp.mini_batch_size), ())
