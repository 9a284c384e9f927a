from __future__ import annotations

import json
from pathlib import Path

import pytest

from vision.sagemaker.simulate import main, read

WRONG = [
    (["mode"], "'mode' is no setting: write NAME=VALUE."),
    (["mod=File"], "Setting 'mod' is unknown: did you mean mode?"),
    (["channels.train=/no/such"], "Channel train is /no/such, which does not exist."),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_a_mistake_is_a_sentence(
    tmp_path: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_manifest_in_a_pipe_needs_attributes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "a.manifest"
    manifest.write_text("{}\n")
    assert main([str(tmp_path), "mode=Pipe", f"channels.train={manifest}"]) == 2
    assert "needs attributes: give for example attributes=source-ref,class" in capsys.readouterr().err


def test_settings_are_sorted_into_their_places(tmp_path: Path) -> None:
    words = ["hp.epochs=2", "run.seed=1", f"channels.train={tmp_path}", "mode=Pipe", "hp.image_shape=3,8,8"]
    assert read(words) == (
        {"epochs": "2", "run.seed": "1", "image_shape": "3,8,8"},
        {"train": str(tmp_path)},
        {"mode": "Pipe"},
    )


def test_the_status_is_the_jobs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISION_ALGORITHM", "image-classification")
    folder = tmp_path / "ml"
    assert main([str(folder), "hp.epochs=0"]) == 2
    assert "epochs is '0' but must be" in (folder / "output" / "failure").read_text()
    assert "epochs is '0' but must be" in capfd.readouterr().out
    assert json.loads((folder / "input/config/hyperparameters.json").read_text()) == {"epochs": "0"}
    assert main([str(folder), "hp.epochs=1"]) == 2
    assert "already holds a job's input" in capfd.readouterr().err
