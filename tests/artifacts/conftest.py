"""A small model, described and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model


@pytest.fixture
def describe() -> Callable[..., ModelDescription]:
    """Makes a description; keywords replace its values."""

    def make(**values: Any) -> ModelDescription:
        defaults: dict[str, Any] = {
            "algorithm": "image_classification",
            "architecture": {"family": "resnet", "depth": 20, "image_shape": [3, 28, 28]},
            "hyperparameters": {"num_classes": "2", "num_layers": "20"},
            "class_names": ["cat", "Füchsin"],
            "preprocessing": {"resize": None},
            "metrics": {"validation_accuracy": 0.5},
            "epoch": 1,
        }
        return ModelDescription(**{**defaults, **values})

    return make


@pytest.fixture
def weights_of() -> Callable[[int], dict[str, Tensor]]:
    """Makes weights that differ by epoch."""

    def make(epoch: int) -> dict[str, Tensor]:
        return {"fc.weight": torch.full((2, 3), float(epoch)), "bn.num_batches_tracked": torch.tensor(epoch)}

    return make


@pytest.fixture
def model_folder(
    tmp_path: Path, describe: Callable[..., ModelDescription], weights_of: Callable[[int], dict[str, Tensor]]
) -> Path:
    """A model folder with epoch 1."""
    folder = tmp_path / "model"
    save_model(folder, describe(epoch=1), weights_of(1))
    return folder
