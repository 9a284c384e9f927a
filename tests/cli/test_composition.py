from __future__ import annotations

from pathlib import Path

import pytest

import vision
from vision import algorithms
from vision.cli import composition
from vision.cli.help import train_help
from vision.cli.overrides import read_overrides
from vision.settings.config_folder import config_folder
from vision.settings.errors import UserError
from vision.settings.run import RunSettings

REQUIRED = {"num_classes": 2, "num_training_samples": 10}
FILES = [(group, name) for group, names in composition.config_groups().items() for name in names]


def compose(*argv: str) -> composition.Settings:
    overrides = read_overrides(argv, composition.config_groups())
    assert not overrides.problems
    return composition.compose_once(overrides)


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_config_file_composes_to_valid_settings(group: str, name: str) -> None:
    # Files of ranges begin with the name of their algorithm.
    named = next((known for known in algorithms.names() if name.startswith(known)), "image_classification")
    algorithm = [] if group in ("algorithm", "experiment") else [f"algorithm={named}"]
    settings = compose(*algorithm, f"{group}={name}")
    assert set(settings["channels"]) <= set(algorithms.channel_names())
    algorithms.facts_of(settings["algorithm"]).hyperparameters.parse({**REQUIRED, **settings["hp"]})
    RunSettings.parse(settings["run"])


def test_there_is_a_config_for_every_algorithm() -> None:
    assert composition.config_groups()["algorithm"] == list(algorithms.names())


def test_config_files_name_no_classes() -> None:
    for path in config_folder().rglob("*.yaml"):
        assert "_target_" not in path.read_text(encoding="utf-8")


def test_the_command_line_wins_over_files() -> None:
    settings = compose("experiment=quick", "hp.epochs=7", "hp.image_shape=3,32,32", "trainer=cpu", "run.device=cuda")
    assert settings["algorithm"] == "image_classification"
    assert settings["hp"] == {
        "num_layers": 20,
        "image_shape": "3,32,32",
        "augmentation_type": "crop",
        "mini_batch_size": 64,
        "epochs": 7,
    }
    assert settings["run"] == {"device": "cuda", "devices": 1, "precision": "float32", "loggers": ["csv"]}


def test_experiments_choose_other_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISION_DATA", "/data")
    settings = compose("experiment=cifar10_resnet20")
    assert settings["channels"] == {"train": "/data/cifar10/train.rec", "validation": "/data/cifar10/test.rec"}
    assert settings["hp"]["lr_scheduler_step"] == "82,123"


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["channels.train=${oc.env:NOT_SET_ANYWHERE}"], "Environment variable 'NOT_SET_ANYWHERE' not found"),
        (["run.output=${run.nothing}"], "do not compose"),
        (["hp=3"], "Setting hp must hold names and values: write hp.NAME=VALUE."),
        (["hydra.searchpath=3"], "do not compose"),
    ],
)
def test_what_does_not_compose_is_a_user_error(argv: list[str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("algorithm=image_classification", *argv)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_the_user_with_unknown_keys(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text("# @package _global_\nchannel:\n  epochs: 3\n")
    argv = ["--config-dir", str(tmp_path), "experiment=mine"]
    assert "experiment=cifar10_resnet20, quick, quick_detection, mine" in train_help(argv)
    overrides = read_overrides(argv, composition.config_groups(tuple(argv)))
    assert not overrides.problems
    with pytest.raises(UserError, match="Setting 'channel' is unknown: did you mean channels"):
        composition.run_hydra(overrides, lambda settings: 0.0)


def test_configs_inside_an_installed_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vision"
    (package / "configs").mkdir(parents=True)
    monkeypatch.setattr(vision, "__file__", str(package / "__init__.py"))
    assert config_folder() == package / "configs"
    (package / "configs").rmdir()
    assert config_folder() == tmp_path / "configs"
