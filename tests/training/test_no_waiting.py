"""A step never asks the GPU for a value: with tensors that have none, on a GPU that need not be there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from tests.training.fake_gpu import NoCopies, fake_gpu, give_to_gpu
from vision import algorithms
from vision.algorithms.object_detection.targets import PaddedTargets
from vision.data.collate import Batch
from vision.settings.run import RunSettings
from vision.training.optimizer import build_optimizer
from vision.training.task import TrainingFacts, TrainingTask

IMAGES = 4
FACTS = {"num_classes": 3, "num_training_samples": IMAGES, "mini_batch_size": IMAGES}
SIDES = {"image_classification": 28, "object_detection": 300, "semantic_segmentation": 40}
GIVEN: dict[str, dict[str, Any]] = {
    "image_classification": {"num_layers": 20, "image_shape": "3,28,28", "top_k": 2},
    "object_detection": {"use_pretrained_model": 0},
    "semantic_segmentation": {"backbone": "resnet-18", "crop_size": 40, "class_weights": "1,2,3"},
}


def task_of(name: str) -> TrainingTask:
    algorithm = algorithms.get(name)
    hyperparameters = algorithm.facts.hyperparameters.parse(FACTS | GIVEN[name])
    network = algorithm.build_network(algorithm.architecture(hyperparameters))
    return algorithm.task(network, hyperparameters, RunSettings.parse({}), TrainingFacts(("a", "b", "c")))


def batch_of(name: str) -> Batch:
    images = torch.empty(IMAGES, 3, SIDES[name], SIDES[name], dtype=torch.uint8, device="cuda")
    labels = torch.empty((IMAGES,) if name == "image_classification" else (IMAGES, 8), dtype=torch.int64, device="cuda")
    targets: Any = labels
    if name == "semantic_segmentation":
        targets = torch.empty(IMAGES, *images.shape[2:], dtype=torch.uint8, device="cuda")
    if name == "object_detection":
        targets = PaddedTargets(labels.new_empty((*labels.shape, 4), dtype=torch.float32), labels, labels.bool())
    return Batch(images, targets, torch.arange(IMAGES, device="cuda"), ())


@pytest.mark.parametrize("name", SIDES)
def test_a_step_waits_for_no_value(name: str) -> None:
    task = task_of(name)
    with fake_gpu():
        give_to_gpu(task)
        batch = batch_of(name)
        with NoCopies():
            for number in range(2):
                loss = task.training_step(batch, number)
        # This is what asking would have led to.
        with pytest.raises(DataDependentOutputException):
            loss.item()
        with NoCopies(), pytest.raises(AssertionError, match="waits for a copy"):
            torch.tensor([1.0], device="cuda")


def test_an_epoch_resumed_on_a_gpu_adds_up_there() -> None:
    task = task_of("image_classification")
    sums = dict.fromkeys(names_of_sums(), torch.zeros(()))
    task.on_load_checkpoint({"state_dict": task.state_dict(), "epoch_sums": sums, "rng_state": None})
    with fake_gpu():
        give_to_gpu(task)
        task.training_step(batch_of("image_classification"), 0)
        with NoCopies():
            task.training_step(batch_of("image_classification"), 1)
    assert {name: value.device.type for name, value in task._sums.items()} == {
        name: "cpu" if name == "images" else "cuda" for name in names_of_sums()
    }


def names_of_sums() -> tuple[str, ...]:
    return ("images", "loss", "cross_entropy", "correct", "top_k_correct")


# torch's fused SGD cannot run on what has no values; its own tests see to it.
@pytest.mark.parametrize("name", ["adam", "rmsprop", "adadelta"])
def test_an_update_waits_for_no_value(name: str) -> None:
    network = torch.nn.Linear(3, 2)
    with fake_gpu():
        give_to_gpu(network)
        optimizer = build_optimizer(network, name, {})
        with NoCopies():
            for _ in range(2):
                for parameter in network.parameters():
                    parameter.grad = torch.empty_like(parameter)
                optimizer.step()
