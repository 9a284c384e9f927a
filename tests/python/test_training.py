"""Training from Python, and the tutorial of its package."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
import pytorch_lightning as pl

import vision
import vision.python
from tests.api.conftest import NAMES, picture, write_records
from tests.settings_tables import KEYWORDS, keywords_source
from vision.settings.errors import SettingsError

SMALL: dict[str, Any] = {"num_layers": 20, "image_shape": "3,16,16", "mini_batch_size": 8, "epochs": 1}
RUN = {"device": "cpu", "workers": 0, "report": False}


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_records(tmp_path / "train.rec", 24, seed=0)


def test_folds_have_a_function_of_their_own(tmp_path: Path, train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = {**RUN, "output": tmp_path / "run"}
    channels = {"train": train, "validation": train}
    with pytest.raises(SettingsError, match=r"run\.folds is not for vision\.fit: call vision\.cross_validate"):
        vision.fit("image_classification", channels, run={**run, "folds": 2}, **SMALL)
    # Needs no validation channel, and counts classes and images itself.
    found = vision.cross_validate("image_classification", {"train": train}, folds=2, run=run, **SMALL)
    assert capsys.readouterr().err.startswith(
        "vision: counted in channel 'train': hp.num_classes=3 hp.num_training_samples=24\n"
    )
    assert found.sizes == (12, 12)
    assert found.mean("accuracy") == pytest.approx(sum(fold["accuracy"] for fold in found.metrics) / 2)
    assert found.to_pandas().set_index("metric").loc["accuracy", "mean"] == found.mean("accuracy")
    assert "Cross-validation" in found._repr_html_()
    assert repr(found).startswith("<CrossValidationResult of 2 folds: ")


def test_a_rate_is_found(tmp_path: Path, train: Path) -> None:
    channels, run = {"train": train, "validation": train}, {**RUN, "output": tmp_path / "rates"}
    found = vision.find_rate("image_classification", channels, low=1e-5, high=1e-2, updates=20, run=run, **SMALL)
    assert (len(found.rates), found.rates[0]) == (20, pytest.approx(1e-5))
    assert found.to_pandas()["loss"].tolist() == found.losses.tolist()
    assert found.plot().width > 300
    assert "<img" in found._repr_html_()
    assert (tmp_path / "rates" / "rate_curve.html").is_file()
    for wrong in ({"low": 1.0, "high": 0.1}, {"updates": 3}):
        with pytest.raises(vision.UserError, match=r"low is 1 and|updates is 3"):
            vision.find_rate("image_classification", channels, run=run, **SMALL, **wrong)


def test_a_pipeline_from_python_augments_and_stands_in_the_settings_of_the_run(tmp_path: Path, train: Path) -> None:
    channels, pipeline = {"train": train, "validation": train}, A.Compose([A.InvertImg(p=1.0), A.HorizontalFlip(p=0.5)])
    runs = {}
    for name, given in (("plain", None), ("augmented", pipeline)):
        run = {**RUN, "output": tmp_path / name}
        runs[name] = vision.fit("image_classification", channels, run=run, transform=given, **SMALL)
    losses = [found.history[0]["train_loss"] for found in runs.values()]
    assert losses[0] != losses[1]
    held = json.loads((tmp_path / "augmented" / "settings.json").read_text())["run"]["augmentation"]
    assert json.loads(held) == A.to_dict(pipeline)
    run = {**RUN, "output": tmp_path / "augmented", "resume": True}
    with pytest.raises(SettingsError, match=r"run\.augmentation is None, but the run"):
        vision.fit("image_classification", channels, run=run, **SMALL)
    with pytest.raises(SettingsError, match="are both given"):
        vision.fit("image_classification", channels, run={"augmentation": held}, transform=pipeline, **SMALL)
    with pytest.raises(SettingsError, match="Argument transform is no pipeline that albumentations can save"):
        vision.fit("image_classification", channels, transform=A.Lambda(image=lambda image, **_: image), **SMALL)


class Counter(pl.Callback):
    """Counts batches."""

    batches = 0

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.batches += 1


def test_people_see_epochs_and_own_callbacks_are_called(
    tmp_path: Path, train: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counter = Counter()
    channels = {"train": train, "validation": train}
    given = {**SMALL, "num_layers": "20"}
    vision.fit(
        "image_classification",
        channels,
        hyperparameters=given,
        run={**RUN, "output": tmp_path / "run"},
        callbacks=[counter],
    )
    shown = capsys.readouterr()
    assert counter.batches == 3
    assert "epoch 1/1  train loss" in shown.err
    assert not shown.out


def photo_folders(root: Path, counts: dict[str, int]) -> None:
    """Write a folder of photos for each part and class."""
    rng = np.random.default_rng(0)
    for part, count in counts.items():
        for label, name in enumerate(NAMES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(picture(label, rng, size=40))


def test_a_path_alone_trains_what_it_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    photo_folders(tmp_path, {"photos": 6, "more": 2})
    transform = A.Compose([A.HorizontalFlip(p=0.5)])
    result = vision.fit("photos", transform=transform, epochs=1, run={**RUN, "output": "first", "warmup_epochs": 0})
    shown = capsys.readouterr().err
    assert "photos: 18 images of 3 classes (blue, green, red)" in shown
    assert result.proposal is not None and result.proposal.settings["hp.optimizer"] == "adamw"
    assert (result.job.hyperparameters.epochs, result.job.run.validation_share) == (1, 0.2)
    assert result.job.run.warmup_epochs == 0
    # The call that is shown is the same job, but for the transform, which is an object.
    call = shown.partition("the same in full:\n")[2].partition("\n)")[0] + ")"
    again = eval(call.replace("'first'", "'second'"), {"vision": vision})
    assert again.job.hyperparameters == result.job.hyperparameters
    assert again.job.run.validation_share == 0.2 and again.job.run.augmentation is None
    assert again.proposal is None

    vision.cross_validate("photos", folds=2, hyperparameters={**SMALL, "num_layers": "20"}, run={**RUN, "output": "f"})
    shown = capsys.readouterr().err.partition("the same in full:\n")[2]
    assert shown.startswith("vision.cross_validate(") and "\n    folds=2,\n" in shown

    # The second path is that of validation. Where an algorithm is named, the documented defaults hold.
    small = {"hyperparameters": SMALL, "run": {**RUN, "output": "third"}}
    named = vision.fit("image-classification", tmp_path / "photos", recipe="auto", **small)
    assert (named.job.hyperparameters.optimizer, named.job.hyperparameters.num_layers) == ("adamw", 20)
    (tmp_path / "mine.yaml").write_text("image_classification: {always: {hp: {momentum: 0.5}}}")
    two = vision.fit("photos", "more", recipe="mine.yaml", hyperparameters=SMALL, run={**RUN, "output": "fourth"})
    assert two.job.channels["validation"].path == Path("more")
    assert two.job.hyperparameters.momentum == 0.5


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("photoz",), "'photoz' is neither a path that exists nor an algorithm, which are image_classification"),
        (("image_classification",), '"train": PATH'),
        (("image_clasification", {"train": "x"}), "did you mean image_classification"),
        (("semantic_segmentation", {}), "Channel train is required"),
    ],
)
def test_what_says_no_data_is_refused_with_an_example(arguments: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(vision.UserError, match=problem):
        vision.fit(*arguments)


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [({"output": "x"}, "output"), ({"epoch": 3}, "epoch"), ({"run": {"seed": "x"}}, "seed")],
)
def test_wrong_keywords_are_refused_before_a_choice_is_shown(
    keywords: dict[str, Any], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo_folders(tmp_path, {"photos": 4})
    with pytest.raises(vision.UserError, match=problem):
        vision.fit(tmp_path / "photos", **keywords)
    assert capsys.readouterr().err == ""


def test_a_hyperparameter_may_be_called_algorithm() -> None:
    with pytest.raises(vision.UserError, match="algorithm is 'pspp' but must be fcn, psp or deeplab"):
        vision.fit("semantic_segmentation", {}, algorithm="pspp")  # type: ignore[call-overload]


def test_the_keywords_are_those_of_the_tables() -> None:
    assert KEYWORDS.read_text(encoding="utf-8") == keywords_source(), "run python -m tests.settings_tables"


def test_the_tutorial_says_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    photo_folders(tmp_path / "photos", {"train": 8, "validation": 4})
    found = doctest.testmod(vision.python)
    assert found.attempted > 10
    assert not found.failed
