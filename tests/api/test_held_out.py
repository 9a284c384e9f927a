from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.api.conftest import job
from vision import algorithms, api
from vision.api.check import check
from vision.api.held_out import HeldOut
from vision.settings.channels import Channel
from vision.settings.errors import SettingsError, UserError
from vision.settings.job import Job, TrainingJob


def divided(train: str, output: Path, **run: object) -> TrainingJob:
    facts = algorithms.facts_of("image_classification")
    hp = {
        "num_classes": 3,
        "num_training_samples": 60,
        "num_layers": 20,
        "image_shape": "3,16,16",
        "mini_batch_size": 16,
        "epochs": 1,
    }
    settings = {"output": output, "device": "cpu", "workers": 0, "progress": "none", "validation_share": 0.25, **run}
    return Job.parse(facts.name, facts.hyperparameters, hp, {"train": train}, settings, facts.channels[:1])


@pytest.fixture(scope="module")
def finished(channels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> api.RunResult:
    return api.train(divided(channels["train"], tmp_path_factory.mktemp("held") / "run"))


def test_a_run_holds_out_a_share_of_its_training_channel(finished: api.RunResult) -> None:
    settings = json.loads(finished.folder.settings.read_text())
    assert settings["data"] == {"train images": 45, "validation images": 15}
    assert settings["hyperparameters"]["num_training_samples"] == "45"
    assert "validation" not in settings["channels"]
    assert "held out of" in finished.folder.card.read_text()
    stored = json.loads((finished.folder.path / "held_out.json").read_text())
    # The class of record n is n % 3.
    assert [sum(index % 3 == label for index in stored["indices"]) for label in range(3)] == [5, 5, 5]


@pytest.mark.parametrize(
    ("images", "held_out", "classes", "sentence"),
    [
        (4, 1, 2, "1 of 4 images is held out for validation, fewer than the 2 classes"),
        (4, 1, 2, "run.folds=2 trains 2 times"),
        (50, 9, 10, "run.folds=5 trains 5 times"),
        (50, 10, 10, None),
    ],
)
def test_too_few_held_out_images_are_said(images: int, held_out: int, classes: int, sentence: str | None) -> None:
    said = HeldOut(images, np.arange(held_out), tuple(map(str, range(held_out)))).warning(classes)
    assert said is None if sentence is None else sentence in str(said)


def test_evaluation_without_channels_measures_what_was_held_out(
    finished: api.RunResult, channels: dict[str, str]
) -> None:
    found = api.evaluate_model(finished.folder.path, {})
    assert found.evaluation.metrics == pytest.approx(finished.metrics)
    assert found.evaluation.num_images == 15
    assert any("own run validated" in note for note in found.evaluation.notes)
    others = api.evaluate_model(finished.folder.path, {"validation": Channel.parse("", channels["train"])})
    assert not any("own run validated" in note for note in others.evaluation.notes)
    same = api.compare(finished.folder.path, finished.folder.path, {}, resamples=100)
    assert same.num_images == 15
    assert not any("flatters" in note for note in same.notes)


def test_a_resumed_run_keeps_what_was_held_out(
    finished: api.RunResult, channels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeldOut, "choose", lambda *given: pytest.fail("the images were divided again"))
    given = divided(channels["train"], finished.folder.path, resume=True)
    assert api.train(given).metrics == pytest.approx(finished.metrics)
    with pytest.raises(SettingsError, match=r"run\.validation_share is 0\.5, but the run .* began with 0\.25"):
        api.train(divided(channels["train"], finished.folder.path, resume=True, validation_share=0.5))


def test_other_data_are_not_taken_for_those_of_the_run(finished: api.RunResult, channels: dict[str, str]) -> None:
    with pytest.raises(UserError, match="holds 33 images that are not the 60 of which the run held some out"):
        api.train(divided(channels["validation"], finished.folder.path, resume=True))


def test_a_check_says_how_many_are_held_out(channels: dict[str, str], tmp_path: Path) -> None:
    found = check(divided(channels["train"], tmp_path / "run"))
    assert found.problems == []
    assert ("validation", "15 images, held out of channel train") in found.facts


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ({"validation_share": 0.2}, "channel validation is given as well"),
        ({"validation_share": 0.2, "folds": 3}, "both divide channel train"),
        ({"validation_share": 1}, "validation_share is 1 but must be"),
    ],
)
def test_what_cannot_be(channels: dict[str, str], tmp_path: Path, run: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        job(channels, tmp_path / "run", run)
