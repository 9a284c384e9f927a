"""What the contestants with this package in their environment share: the job, its network and a ready batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vision import algorithms
from vision.algorithms.object_detection.targets import PADDING_LABEL, PaddedTargets
from vision.api.model import Model
from vision.data.collate import Batch
from vision.settings.job import Job

MOST_OBJECTS = 24


def job_of(told: dict[str, Any]) -> Job[Any]:
    """The job that the parent describes; without ``channels`` both are ``folder``, which is not read."""
    facts = algorithms.facts_of(told["algorithm"])
    channels = told.get("channels") or {"train": told["folder"], "validation": told["folder"]}
    given = told["hyperparameters"]
    return Job.parse(facts.name, facts.hyperparameters, given, channels, told["run"], facts.channels)


def network_of(told: dict[str, Any]) -> nn.Module:
    """The same untrained weights in every process."""
    torch.manual_seed(0)
    algorithm = algorithms.get(told["algorithm"])
    return algorithm.build_network(algorithm.architecture(job_of(told).hyperparameters))


def model_of(told: dict[str, Any]) -> Model:
    """The untrained network as a model that answers."""
    hyperparameters = job_of(told).hyperparameters
    algorithm = algorithms.get(told["algorithm"])
    return Model(
        algorithm=algorithm,
        hyperparameters=hyperparameters,
        class_names=tuple(map(str, range(hyperparameters.num_classes))),
        architecture=algorithm.architecture(hyperparameters),
        network=network_of(told).eval().to(memory_format=torch.channels_last),
        transform=algorithm.transform(hyperparameters, "inference"),
        device=torch.device("cpu"),
        stored=None,  # type: ignore[arg-type]
    )


def ready_batch(job: Job[Any]) -> Batch:
    """Noise with labels, uint8 in channels_last memory as the loader gives it."""
    hp = job.hyperparameters
    generator = torch.Generator().manual_seed(0)
    sides = {
        "image_classification": lambda: hp.image_shape[1:],
        "object_detection": lambda: (hp.image_shape, hp.image_shape),
        "semantic_segmentation": lambda: (hp.crop_px, hp.crop_px),
    }[job.algorithm]()
    shape = (hp.mini_batch_size, *sides, 3)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)
    targets: Tensor | PaddedTargets
    if job.algorithm == "image_classification":
        targets = torch.randint(hp.num_classes, (hp.mini_batch_size,), generator=generator)
    elif job.algorithm == "semantic_segmentation":
        targets = torch.randint(hp.num_classes, shape[:3], generator=generator, dtype=torch.uint8)
    else:
        targets = random_objects(hp.mini_batch_size, MOST_OBJECTS, hp.num_classes, generator)
    return Batch(images, targets, torch.arange(hp.mini_batch_size), ())


def random_objects(batch: int, most: int, num_classes: int, generator: torch.Generator) -> PaddedTargets:
    """1 to ``most`` objects an image, of 3 to 40 % of its side."""
    centre = torch.rand(batch, most, 2, generator=generator)
    half = (0.03 + 0.37 * torch.rand(batch, most, 2, generator=generator)) / 2
    boxes = torch.cat(((centre - half).clamp(0, 0.99), (centre + half).clamp(0.01, 1)), dim=2)
    labels = torch.randint(num_classes, (batch, most), generator=generator)
    count = torch.randint(1, most + 1, (batch, 1), generator=generator)
    labels[torch.arange(most) >= count] = PADDING_LABEL
    return PaddedTargets(boxes, labels, torch.zeros_like(labels, dtype=torch.bool))
