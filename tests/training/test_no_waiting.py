"""A step never asks the GPU for a value: with tensors that have none, on a GPU that need not be there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from vision import algorithms
from vision.algorithms.object_detection.targets import PaddedTargets
from vision.data.collate import Batch
from vision.settings.run import RunSettings
from vision.training.task import TrainingTask

IMAGES = 4
FACTS = {"num_classes": 3, "num_training_samples": IMAGES, "mini_batch_size": IMAGES}


def task_of(name: str, **given: Any) -> TrainingTask:
    algorithm = algorithms.get(name)
    hyperparameters = algorithm.hyperparameters.parse(FACTS | given)
    network = algorithm.build_network(algorithm.architecture(hyperparameters))
    return algorithm.task(network, hyperparameters, RunSettings.parse({}), ("a", "b", "c"))


def give_to_gpu(module: nn.Module) -> None:
    """Put a tensor without values in the place of each parameter and buffer."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part._parameters[name] = nn.Parameter(torch.empty_like(parameter, device="cuda"))
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = torch.empty_like(buffer, device="cuda")


@pytest.mark.parametrize("name", ["image_classification", "object_detection"])
def test_a_step_waits_for_no_value(name: str) -> None:
    classifies = name == "image_classification"
    given = {"num_layers": 20, "image_shape": "3,28,28", "top_k": 2} if classifies else {"use_pretrained_model": 0}
    task, side = task_of(name, **given), 28 if classifies else 300
    with FakeTensorMode(allow_non_fake_inputs=True):
        give_to_gpu(task)
        images = torch.empty(IMAGES, 3, side, side, dtype=torch.uint8, device="cuda")
        labels = torch.empty((IMAGES,) if classifies else (IMAGES, 8), dtype=torch.int64, device="cuda")
        boxes, difficult = labels.new_empty((*labels.shape, 4), dtype=torch.float32), labels.bool()
        targets = labels if classifies else PaddedTargets(boxes, labels, difficult)
        batch = Batch(images, targets, torch.arange(IMAGES, device="cuda"), ())
        for number in range(2):
            loss = task.training_step(batch, number)
        # This is what asking would have led to.
        with pytest.raises(DataDependentOutputException):
            loss.item()
