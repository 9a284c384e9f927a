from __future__ import annotations

from pathlib import Path

import pytest

from vision.cli.main import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Sample data '' is unknown: known are digits, scenes, shapes."),
        (["digit", "out"], "Sample data 'digit' is unknown: did you mean digits?"),
        (["digits"], "One output folder is needed but none given: write vision sample-data digits FOLDER."),
        (["digits", "a", "b"], "One output folder is needed but 'a', 'b' given"),
        (["digits", "out", "classes=3"], "Setting 'classes' is unknown"),
        (["digits", "out", "seed=-1"], "Setting seed is '-1' but must be"),
        (["scenes", "out", "class=3"], "Setting 'class' is unknown: did you mean classes?"),
        (["scenes", "out", "classes=11"], "Scene setting classes is '11' but must be"),
        (["scenes", "out", "train=0"], "Scene setting train is '0' but must be"),
        (["digits", "taken/out"], "cannot be written"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.chdir(tmp_path)
    assert main(["sample-data", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_scenes_are_written_as_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "scenes"
    assert main(["sample-data", "scenes", str(folder), "train=3", "validation=2", "classes=5"]) == 0
    assert capsys.readouterr().out == f"{folder}/train.rec: 3 images\n{folder}/validation.rec: 2 images\n"
    assert (folder / "classes.txt").read_text().split() == ["0", "1", "2", "3", "4"]


def test_shapes_are_written_as_images_and_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "shapes"
    assert main(["sample-data", "shapes", str(folder), "train=3", "validation=2", "side=32"]) == 0
    assert capsys.readouterr().out == f"{folder}/train: 3 images\n{folder}/validation: 2 images\n"
    assert len(list((folder / "train_annotation").glob("*.png"))) == 3


def test_the_help_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample-data", "--help"]) == 0
    assert "vision sample-data digits FOLDER" in capsys.readouterr().out
