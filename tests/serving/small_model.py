"""A model folder small enough for tests, and images for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from vision import algorithms
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model

NAMES = ("cat", "dog", "owl")


def write_model(folder: Path, seed: int = 0) -> Path:
    """A classifier of three classes at 32x32 with random weights, in a model folder."""
    algorithm = algorithms.get("image_classification")
    hp = algorithm.facts.hyperparameters.parse(
        {"num_classes": 3, "num_training_samples": 8, "num_layers": 20, "image_shape": "3,32,32", "top_k": 2}
    )
    plan = algorithm.architecture(hp)
    torch.manual_seed(seed)
    network = algorithm.build_network(plan)
    # Random weights see no difference between images; large last weights make them answer differently.
    with torch.no_grad():
        *_, last = network.parameters()
        last.uniform_(-1, 1)
    description = ModelDescription(
        algorithm=algorithm.facts.name,
        architecture=plan.model_dump(mode="json"),
        hyperparameters=hp.to_strings(),
        class_names=NAMES,
        preprocessing=algorithm.preprocessing(hp, plan),
        metrics={},
        epoch=1,
    )
    save_model(folder, description, network.state_dict())
    return folder


def picture(seed: int, suffix: str = ".jpg", width: int = 48, height: int = 40) -> bytes:
    """An encoded image of random blocks."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (4, 5, 3), np.uint8)
    image = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(suffix, image)[1].tobytes()


def write_any_model(folder: Path, name: str, values: dict[str, Any], plan: dict[str, Any] | None = None) -> Path:
    """A model of two classes, "dark" and "bright", whose batch normalisation has seen something.

    ``plan`` takes the place of the architecture that the hyperparameters ask for.
    """
    algorithm = algorithms.get(name)
    hp = algorithm.facts.hyperparameters.parse({"num_classes": 2, "num_training_samples": 8, **values})
    architecture = algorithm.architecture(hp) if plan is None else algorithm.read_architecture(plan)
    torch.manual_seed(4)
    network = algorithm.build_network(architecture)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    description = ModelDescription(
        algorithm=algorithm.facts.name,
        architecture=architecture.model_dump(mode="json"),
        hyperparameters=hp.to_strings(),
        class_names=("dark", "bright"),
        preprocessing=algorithm.preprocessing(hp, architecture),
        metrics={},
        epoch=1,
    )
    save_model(folder, description, network.state_dict())
    return folder
