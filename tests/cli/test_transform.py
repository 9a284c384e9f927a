from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving.small_model import picture, write_model
from vision.cli.main import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("cli-transform") / "model")


@pytest.fixture
def argv(model: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.jpg").write_bytes(picture(1))
    return ["transform", f"model={model}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", "device=cpu"]


def test_status_0_if_all_files_are_answered(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    assert len(json.loads((tmp_path / "out" / "good.jpg.out").read_text())["prediction"]) == 3
    assert capsys.readouterr().out == f"1 of 1 files answered: {tmp_path / 'out'}\n"
    assert main(argv) == 0
    assert capsys.readouterr().out == f"0 of 0 files answered, 1 kept from before: {tmp_path / 'out'}\n"


def test_status_1_if_some_failed(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no image")
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("vision: bad.jpg: not an image")
    assert shown.out.startswith("1 of 2 files answered")


@pytest.mark.parametrize(
    ("drop", "add", "part"),
    [
        ("input=", [], "Setting input is required but missing"),
        ("model=", [], "Serving setting model is required"),
        ("", ["accept=text/csv"], "Setting accept is 'text/csv', but this model answers as application/json"),
        ("", ["suffix=png"], "Setting suffix is 'png': give a dot and up to 8 letters or digits"),
        ("", ["port=1"], "Setting 'port' is unknown"),
    ],
)
def test_problems(argv: list[str], drop: str, add: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word for word in argv if not (drop and word.startswith(drop))] + add) == 2
    assert part in capsys.readouterr().err
