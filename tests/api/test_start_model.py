from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from tests.api.conftest import NAMES, job
from vision.api import RunResult, train
from vision.artifacts.model_folder import load_model
from vision.settings.errors import SettingsError, UserError


@pytest.fixture(params=["run folder", "model folder", "archive", "channel folder"])
def start(request: pytest.FixtureRequest, trained: RunResult, tmp_path: Path) -> Path:
    """A model in each form that channels.model takes; the last is how the platform delivers an archive."""
    if request.param == "channel folder":
        (tmp_path / "model").mkdir()
        return Path(shutil.copy(trained.folder.archive, tmp_path / "model")).parent
    forms = {"run folder": trained.folder.path, "model folder": trained.folder.model, "archive": trained.folder.archive}
    return forms[request.param]


def test_training_goes_on_from_the_model(
    start: Path, trained: RunResult, channels: dict[str, str], tmp_path: Path
) -> None:
    """At a rate of 0 the weights stay those of the start model, and so do its class names."""
    result = train(job({**channels, "model": str(start)}, tmp_path / "run", learning_rate=0, epochs=1))
    before, after = load_model(trained.folder.model), load_model(result.folder.model)
    assert after.class_names == NAMES
    expected, found = before.state_dict(), after.state_dict()
    weights = [name for name in expected if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert weights
    assert all(torch.equal(expected[name], found[name]) for name in weights)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"num_layers": 32}, ["num_layers is 32 in this job and 20 in the stored model"]),
        ({"image_shape": "3,12,12"}, ["image_shape is 3,12,12 in this job and 3,16,16 in the stored model"]),
        (
            {"num_classes": 4, "num_layers": 32},
            ["num_layers is 32 in this job and 20", "num_classes is 4 in this job and 3"],
        ),
    ],
)
def test_what_must_match_is_named(
    trained: RunResult, channels: dict[str, str], tmp_path: Path, changed: dict[str, Any], named: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        train(job({**channels, "model": str(trained.folder.path)}, tmp_path / "run", **changed))
    assert len(caught.value.problems) == len(named)
    for problem, text in zip(caught.value.problems, named, strict=True):
        assert text in problem
    assert ("run.new_head=true" in str(caught.value)) == ("num_classes" in changed)


def test_another_number_of_classes_starts_a_new_head_only(
    trained: RunResult, channels: dict[str, str], tmp_path: Path
) -> None:
    start = {**channels, "model": str(trained.folder.path)}
    result = train(job(start, tmp_path / "run", {"new_head": True}, num_classes=5, learning_rate=0, epochs=1))
    stored = load_model(result.folder.model)
    expected, found = load_model(trained.folder.model).state_dict(), stored.state_dict()
    assert found["resnet.fc1.weight"].shape[0] == 5
    assert torch.equal(expected["resnet.conv0.weight"], found["resnet.conv0.weight"])
    assert stored.class_names == ("0", "1", "2", "3", "4")


def test_a_damaged_model_is_refused(trained: RunResult, channels: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trained.folder.model, broken)
    weights = next(broken.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"weights-000\d.safetensors"):
        train(job({**channels, "model": str(broken)}, tmp_path / "run"))


def test_pretrained_weights_keep_all_but_the_last_layer(channels: dict[str, str], tmp_path: Path) -> None:
    """Made-up weights under the name that a user's folder may hold."""
    torch.manual_seed(5)
    state = torchvision.models.resnet18(weights=None).state_dict()
    (tmp_path / "weights").mkdir()
    torch.save(state, tmp_path / "weights" / "resnet18.pth")
    settings = {"weights_folder": tmp_path / "weights"}
    hyperparameters = {
        "num_layers": 18,
        "use_pretrained_model": 1,
        "learning_rate": 0,
        "epochs": 1,
        "image_shape": "3,32,32",
    }
    result = train(job(channels, tmp_path / "run", settings, resize=32, **hyperparameters))
    found = load_model(result.folder.model).state_dict()
    assert torch.equal(found["resnet.layer3.0.conv1.weight"], state["layer3.0.conv1.weight"])
    assert found["resnet.fc.weight"].shape == (3, 512)
