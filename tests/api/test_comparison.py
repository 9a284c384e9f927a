from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vision
from tests.algorithms.object_detection.small_detector import small_plan, write_scenes
from tests.api.conftest import NAMES, write_records
from vision import algorithms
from vision.api import RunResult, compare
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import load_model, save_model
from vision.settings.channels import parse_channels
from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings

RUN = RunSettings(device="cpu", workers=0)


def copy_of(trained: RunResult, folder: Path, state: dict[str, torch.Tensor] | None = None, **changes: Any) -> Path:
    """The trained model with other weights, names or hyperparameters."""
    stored = load_model(trained.folder.model)
    values = {name: getattr(stored, name) for name in ModelDescription.model_fields}
    save_model(folder, ModelDescription(**{**values, **changes}), state or stored.state_dict())
    return folder


def test_a_trained_model_is_better_than_one_that_always_says_red(
    trained: RunResult, channels: dict[str, str], tmp_path: Path
) -> None:
    state = load_model(trained.folder.model).state_dict()
    state["resnet.fc1.weight"].zero_()
    state["resnet.fc1.bias"].copy_(torch.tensor([1.0, 0.0, 0.0]))
    constant = copy_of(trained, tmp_path / "constant", state)
    drawn: list[int] = []
    given = parse_channels({"validation": channels["validation"]}, ("validation",))
    found = compare(constant, trained.folder.path, given, RUN, 200, drawn.append)
    assert (found.model, found.other) == (str(constant), str(trained.folder.path))
    assert (found.num_images, found.resamples, sum(drawn)) == (33, 200, 200)
    assert found.metrics[0].name == found.objective == "accuracy"
    decisive = found.decisive
    assert decisive.model.value == pytest.approx(1 / 3)
    assert decisive.other.value == pytest.approx(trained.metrics["accuracy"])
    # The standard error of a third of 33 images is 8 points.
    assert decisive.model.low == pytest.approx(1 / 3 - 1.96 * 0.082, abs=0.05)
    assert decisive.sign == int(decisive.difference.low > 0)
    assert [compared.name for compared in found.classes] == list(NAMES)
    assert [compared.intervals.model.value for compared in found.classes] == [1.0, 0.0, 0.0]
    settings = {"run": {"device": "cpu", "workers": 0}, "resamples": 200}
    shown = vision.compare(constant, trained.folder.path, {"validation": channels["validation"]}, **settings)
    assert dataclasses.asdict(shown) == dataclasses.asdict(found)
    with pytest.raises(SettingsError, match="resamples is 99"):
        vision.compare(constant, constant, {"validation": channels["validation"]}, resamples=99)


def test_broken_images_are_told_of(trained: RunResult, tmp_path: Path) -> None:
    path = write_records(tmp_path / "some.rec", 12, 3, broken=(5,))
    given = parse_channels({"validation": str(path)}, ("validation",))
    run = RUN.model_copy(update={"max_broken": 0.5})
    found = compare(trained.folder.path, trained.folder.path, given, run, 100)
    assert found.num_images == 11
    assert found.decisive.difference.value == 0
    assert "1 of 12 images could not be used" in found.notes[-1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("red", "green", "grey")}, "class 2 is 'blue' in model and 'grey' in other"),
        ({"class_names": ("green", "red", "blue")}, "the same classes in different orders"),
        ({"class_names": ("red", "green")}, "model has 3 classes and other 2"),
        ({"algorithm": "object_detection"}, "model is of image_classification and other of object_detection"),
        ({"multi_label": "1"}, "hp.multi_label of model is False, of other True"),
    ],
)
def test_models_that_cannot_be_compared(
    trained: RunResult, channels: dict[str, str], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    if "multi_label" in changes:
        changes = {"hyperparameters": {**load_model(trained.folder.model).hyperparameters, **changes}}
    other = copy_of(trained, tmp_path / "other", **changes)
    with pytest.raises(UserError, match="compare models") as caught:
        compare(trained.folder.model, other, parse_channels(channels, ("validation",)), RUN, 100)
    assert sentence in str(caught.value)


def test_detectors(tmp_path: Path) -> None:
    algorithm = algorithms.get("object_detection")
    values = {"num_classes": 2, "num_training_samples": 8, "base_network": "resnet-18", "image_shape": 300}
    hp = algorithm.facts.hyperparameters.parse({**values, "mini_batch_size": 4})
    plan = small_plan()
    folders = []
    for seed in range(2):
        torch.manual_seed(seed)
        description = ModelDescription(
            algorithm=algorithm.facts.name,
            architecture=plan.model_dump(mode="json"),
            hyperparameters=hp.to_strings(),
            class_names=("green", "purple"),
            preprocessing={},
            metrics={},
            epoch=1,
        )
        folders.append(tmp_path / str(seed))
        save_model(folders[-1], description, algorithm.build_network(plan).state_dict())
    path = write_scenes(tmp_path / "scenes.rec", 6, 0, without_objects=1)
    given = parse_channels({"validation": str(path)}, ("validation",))
    first, second = folders
    found = compare(first, second, given, RUN, 100)
    assert [compared.name for compared in found.metrics] == ["mAP", "mAP_75"]
    assert (found.class_metric, len(found.classes), found.num_images) == ("AP", 2, 6)
    assert np.isfinite(found.decisive.difference.value)
    assert found.decisive.model.value == pytest.approx(np.mean([c.intervals.model.value for c in found.classes]))
