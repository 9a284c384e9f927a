from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.models import write_model
from vision.artifacts.model_folder import load_model
from vision.cli.main import main


def test_a_model_folder_and_what_was_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "theirs")
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    output = tmp_path / "ours"
    words = ["import-mxnet", str(tmp_path / "theirs"), f"output={output}", f"labels={tmp_path / 'names.txt'}"]
    assert main(words) == 0
    assert load_model(output).class_names == ("ant", "bee", "cat")
    shown = capsys.readouterr().out
    assert "was trained on raw RGB 0..255" in shown
    assert "Imported image_classification (20, 3 classes)" in shown
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        ([], ["takes one model"]),
        (["a", "b"], ["takes one model"]),
        (["a", "epoch=x", "image_shape=3", "mean=1,2"], ["epoch is 'x'", "image_shape is '3'", "mean is '1,2'"]),
        (["a", "labels=x,x"], ["Setting labels has 'x' twice"]),
        (["nowhere"], ["nowhere does not exist"]),
        (["a", "size=3"], ["size' is unknown"]),
    ],
)
def test_sentences(words: list[str], sentences: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-mxnet", *words, "output=not-written"]) == 2
    shown = capsys.readouterr().err
    assert all(sentence in shown for sentence in sentences)
