from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import FakeApi
from vision.cli import train
from vision.cli.main import main


@pytest.fixture
def photos(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(train, "show", lambda result: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("my photos/Bär", "my photos/fuchs"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            image = np.full((48, 64, 3), 40 * number, np.uint8)
            (tmp_path / name / f"{number}.jpeg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    return tmp_path / "my photos"


def test_a_path_alone_trains(api: FakeApi, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "my photos", "hp.epochs=3", "run.seed=7"]) == 0
    ((_, job),) = api.calls
    assert (job.algorithm, job.channels["train"].path) == ("image_classification", Path("my photos"))
    assert (job.hyperparameters.epochs, job.hyperparameters.image_shape) == (3, (3, 32, 32))
    assert (job.run.validation_share, job.run.seed) == (0.2, 7)
    printed = capsys.readouterr().err
    assert "my photos: 6 images of 2 classes (Bär, fuchs), half of them at most 64x48 pixels" in printed
    assert "ImageNet weights are not on this machine" in printed

    # The command that is shown does the same.
    shown = printed.partition("the same in full:\n")[2].replace("\\\n", " ")
    words = shlex.split(shown.partition("vision: ")[0])
    assert words[:2] == ["vision", "train"]
    assert main(words[1:]) == 0
    assert api.calls[1] == api.calls[0]
    assert "recipe" not in capsys.readouterr().err


def test_documented_defaults_where_the_algorithm_is_named(api: FakeApi, photos: Path) -> None:
    assert main(["train", "my photos", "algorithm=image-classification"]) == 0
    assert main(["train", "my photos", "recipe=sagemaker"]) == 0
    for _, job in api.calls:
        assert (job.hyperparameters.num_layers, job.hyperparameters.learning_rate) == (152, 0.1)
        assert job.run.validation_share == 0.2
    assert main(["train", "my photos", "algorithm=image_classification", "recipe=auto"]) == 0
    assert api.calls[2][1].hyperparameters.num_layers == 20


def test_validation_of_ones_own(api: FakeApi, photos: Path) -> None:
    for words in (["my photos"], ["channels.validation=my photos"]):
        assert main(["train", "my photos", *words]) == 0
        job = api.calls.pop()[1]
        assert (job.channels["validation"].path, job.run.validation_share) == (Path("my photos"), None)
    assert main(["train", "recipe=auto", "channels.train=my photos"]) == 0
    assert api.calls[0][1].run.validation_share == 0.2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["my photo"], "Argument 'my photo' is neither a path that exists"),
        (["my photos", "recipe=aut"], "did you mean auto"),
        (["my photos", "my photos", "my photos"], "There are 3 paths"),
        (["my photos/fuchs"], "holds 3 images without a class"),
        (["my photos", "hp.epoch=3"], "did you mean epochs"),
    ],
)
def test_mistakes_are_sentences(
    photos: Path, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "3"], "hp.epochs=3"),
        (["hq.epochs=3"], "'hq.epochs'"),
        (["hp.epoch=3"], "did you mean epochs"),
        (["hp.epochs=x"], "must be an integer"),
        (["run.seeed=1"], "did you mean seed"),
        (["run.folds=2", "run.validation_share=0.1"], "leave one of them out"),
    ],
)
def test_words_that_are_refused_are_refused_first(
    photos: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(photos), *words]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "chooses" not in shown


def test_one_class_is_nothing_to_learn(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "fuchs").rename(tmp_path / "elsewhere")
    assert main(["train", "my photos"]) == 2
    assert "holds one class (Bär), but a classifier tells at least two apart" in capsys.readouterr().err


def test_recipes_of_a_folder_of_ones_own(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "own/recipe").mkdir(parents=True)
    (tmp_path / "own/recipe/mine.yaml").write_text("image_classification: {always: {hp: {epochs: 2}}}")
    assert main(["train", "my photos", "--config-dir", "own", "recipe=mine"]) == 0
    assert api.calls[0][1].hyperparameters.epochs == 2


def test_a_recipe_by_the_path_of_its_file(
    api: FakeApi, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("image_classification: {always: {hp: {epochs: 2}}}")
    assert main(["train", "my photos", "recipe=mine.yaml"]) == 0
    assert api.calls[0][1].hyperparameters.epochs == 2
    assert main(["train", "my photos", "recipe=gone/mine.yaml"]) == 2
    assert "mine" in capsys.readouterr().err.splitlines()[-1]


def test_nothing_heavy_is_loaded_for_the_choice(photos: Path) -> None:
    program = (
        "import sys; from vision.cli.recipe import with_recipe; with_recipe(['my photos']);"
        "assert not {'torch', 'hydra', 'pytorch_lightning', 'albumentations'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_few_images_are_better_divided_often(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "my photos"]) == 0
    assert "run.folds=3 trains 3 times" in capsys.readouterr().err
    assert main(["train", "my photos", "run.folds=2", "--cfg", "job"]) == 0
    printed = capsys.readouterr()
    assert "trains 3 times" not in printed.err
    assert "folds: 2" in printed.out
    assert "validation_share" not in printed.out


def test_several_values_of_a_chosen_setting(api: FakeApi, photos: Path) -> None:
    assert main(["train", "-m", "my photos", "hp.epochs=1,2", "run.output=runs/several"]) == 0
    assert [job.hyperparameters.epochs for _, job in api.calls] == [1, 2]
    assert {job.hyperparameters.num_layers for _, job in api.calls} == {20}


def test_the_path_of_a_detector_leads_to_one(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "voc/Annotations").mkdir(parents=True)
    (tmp_path / "voc/JPEGImages").mkdir()
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"
    for number in range(4):
        (tmp_path / f"voc/JPEGImages/{number}.jpg").write_bytes((photos / "fuchs/0.jpeg").read_bytes())
        text = f"<annotation><object><name>cell</name>{box}</object></annotation>"
        (tmp_path / f"voc/Annotations/{number}.xml").write_text(text)
    assert main(["train", "voc", "--cfg", "job"]) == 0
    printed = capsys.readouterr()
    assert "voc: 4 images of 1 class (cell)" in printed.err
    assert "algorithm: object_detection" in printed.out
    assert "validation_share: 0.2" in printed.out
