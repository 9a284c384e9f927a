from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FakeApi
from vision import algorithms
from vision.cli import train
from vision.cli.composition import compose_once
from vision.cli.main import main
from vision.cli.overrides import Overrides, Settings
from vision.settings.job import Job
from vision.settings.run import RunSettings

SAMPLES = ["hp.num_classes=2", "hp.num_training_samples=10"]


@pytest.fixture
def argv(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A sound command line; results are not shown."""
    monkeypatch.setattr(train, "show", lambda result: None)
    (tmp_path / "a b.rec").touch()
    channels = ["channels.train=a b.rec", "channels.validation=a b.rec"]
    return ["train", "algorithm=image-classification", *SAMPLES, *channels]


def jobs(api: FakeApi) -> list[Job]:
    return [job for _, job in api.calls]


def test_builds_the_job(api: FakeApi, argv: list[str], tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    assert main([*argv, "hp.lr_scheduler_step=10, 20", "trainer=cpu", "run.output=runs/x"]) == 0
    (job,) = jobs(api)
    assert job.algorithm == "image_classification"
    assert job.hyperparameters.lr_scheduler_step == (10, 20)
    assert job.channels["train"].path == Path("a b.rec")
    assert job.run == RunSettings(output=Path("runs/x"), device="cpu", devices=1, precision="float32")
    # Hydra writes nothing and leaves logging alone.
    assert [path.name for path in tmp_path.iterdir()] == ["a b.rec"]
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    ("words", "begun"),
    [([], "x/settings.json"), (["run.folds=2"], "x/fold_0/settings.json")],
)
def test_an_occupied_folder_is_told_before_torch_is_loaded(
    api: FakeApi,
    argv: list[str],
    words: list[str],
    begun: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / begun).parent.mkdir(parents=True)
    (tmp_path / begun).write_text("{}")
    assert main([*argv, *words, "run.output=x"]) == 2
    assert "x already holds a run; add run.resume=true" in capsys.readouterr().err
    assert not api.calls


def test_equal_to_the_container_and_python(api: FakeApi, argv: list[str]) -> None:
    assert main([*argv, "hp.image_shape=3,28,28", "hp.early_stopping=true", "hp.learning_rate=1e-2"]) == 0
    texts = {
        "num_classes": "2",
        "num_training_samples": "10",
        "image_shape": "3,28,28",
        "early_stopping": "True",
        "learning_rate": "0.01",
    }
    assert jobs(api)[0].hyperparameters == algorithms.facts_of("image_classification").hyperparameters.parse(texts)


def test_all_problems_at_once(api: FakeApi, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["hp.epoch=3", "hp.learning_rate=2", "channels.model=/no/such", "run.sed=1", "epochs=3", "data=cifar1"]
    assert main([*argv, *wrong]) == 2
    lines = capsys.readouterr().err.splitlines()
    parts = [
        "did you mean hp.epochs?",
        "did you mean cifar10?",
        "did you mean epochs?",
        "learning_rate is 2 ",
        "Channel model",
        "did you mean seed?",
    ]
    assert len(lines) == len(parts), lines
    for part in parts:
        assert any(part in line for line in lines)
    assert not api.calls


def test_algorithm_is_required(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "give algorithm=image_classification or object_detection" in capsys.readouterr().err


def test_multirun_trains_each_combination_in_a_folder_of_its_own(api: FakeApi, argv: list[str], tmp_path: Path) -> None:
    sweep = ["hp.optimizer=sgd,adam", "hp.epochs=1,2", "hp.image_shape=3,28,28", "run.output=runs/sweep"]
    assert main([*argv, "-m", *sweep]) == 0
    found = [(job.hyperparameters.optimizer, job.hyperparameters.epochs, job.run.output) for job in jobs(api)]
    folder = tmp_path / "runs/sweep"
    assert found == [
        ("sgd", 1, folder / "0"),
        ("sgd", 2, folder / "1"),
        ("adam", 1, folder / "2"),
        ("adam", 2, folder / "3"),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"a b.rec", "runs"}


def test_multirun_goes_on_after_a_wrong_run(api: FakeApi, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "-m", "hp.top_k=2,3", "hp.epochs=1"]) == 2
    assert [job.hyperparameters.top_k for job in jobs(api)] == [2]
    assert "top_k is 3 but must be at most num_classes, 2" in capsys.readouterr().err


def test_sweepers_learn_from_the_objective(
    api: FakeApi, argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def run_hydra(overrides: Overrides, run: Callable[[Settings], float]) -> None:
        for settings in (compose_once(overrides), {**compose_once(overrides), "hp": {"epochs": 0}}):
            found.append(run(settings))

    monkeypatch.setattr(train, "run_hydra", run_hydra)
    assert main([*argv, "-m", "hp.learning_rate=0.25"]) == 2
    assert found[0] == 0.25
    assert math.isnan(found[1])
    assert "epochs is 0" in capsys.readouterr().err


def test_a_sweep_of_the_config_files(api: FakeApi, argv: list[str]) -> None:
    assert main([*argv, "-m", "sweep=learning_rate"]) == 0
    assert [job.hyperparameters.learning_rate for job in jobs(api)] == [0.3, 0.1, 0.03, 0.01, 0.003, 0.001]


def test_cfg_prints_the_settings_and_does_not_train(
    api: FakeApi, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "--cfg", "job"]) == 0
    assert "algorithm: image_classification\nhp:\n  num_classes: 2\n" in capsys.readouterr().out
    assert not api.calls


def test_an_interrupted_run_ends_with_its_signal(
    api: FakeApi, argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vision.training.termination import Terminated

    def terminated(job: Job) -> None:
        raise Terminated(15)

    monkeypatch.setattr(api, "train", terminated)
    assert main(argv) == 143
    with pytest.raises(SystemExit, match="143"):
        main([*argv, "-m", "hp.epochs=1,2"])
    assert "run.resume=true continues the run" in capsys.readouterr().err


def test_help_states_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "algorithm=object-detection"]) == 0
    text = capsys.readouterr().out
    detection = {row.name for row in algorithms.facts_of("object_detection").hyperparameters.rows()}
    classification = {row.name for row in algorithms.facts_of("image_classification").hyperparameters.rows()}
    shown = {line.split()[0] for line in text.splitlines() if line.startswith("  ") and line[2:3].strip()}
    assert shown >= detection | {row.name for row in RunSettings.rows()}
    assert not shown & (classification - detection)
    assert "default 0.001; tune 1e-06 .. 0.5 (log)" in " ".join(text.split())


def test_the_script_is_the_verb() -> None:
    script = Path(train.__file__).parents[2] / "scripts" / "train.py"
    done = subprocess.run([sys.executable, script, "algorithm=x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Setting algorithm has no choice 'x'" in done.stderr
