from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import FakeApi
from vision.cli.main import main
from vision.data.given_images import encoded_images, find_images
from vision.data.readers import file_table
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.errors import DataError, UserError
from vision.settings.run import RunSettings

pytestmark = pytest.mark.usefixtures("model_here")


@pytest.fixture
def argv(api: FakeApi, tmp_path: Path) -> list[str]:
    (tmp_path / "good.png").write_bytes(b"good")
    (tmp_path / "sick.png").write_bytes(b"broken")
    return ["predict", f"model={tmp_path}", "good.png", "sick.png"]


@pytest.mark.parametrize(("word", "folder"), [("draw=some/where", "some/where"), ("--draw", "drawn")])
def test_readable_images_are_drawn(
    api: FakeApi, tmp_path: Path, word: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, shade in (("dark.png", 20), ("light.png", 220)):
        cv2.imwrite(str(tmp_path / name), np.full((60, 200, 3), shade, np.uint8))
    (tmp_path / "sick.png").write_bytes(b"broken")
    assert main(["predict", f"model={tmp_path}", "dark.png", "sick.png", "light.png", word]) == 1
    drawn = {path.name: cv2.imread(str(path)) for path in (tmp_path / folder).iterdir()}
    # Each picture is its own image: the corner away from the label keeps its shade.
    assert {name: round(float(image[-5:, -5:].mean()), -1) for name, image in drawn.items()} == {
        "dark.png.jpg": 20,
        "light.png.jpg": 220,
    }
    assert len(capsys.readouterr().out.splitlines()) == 3


LINES = [
    {"file": "good.png", "prediction": [0.25, 0.75], "label": "[b]dog[/b]", "score": 0.75},
    {"file": "sick.png", "error": "sick.png: is no image"},
]


def test_lines_to_the_output_and_table_to_the_errors(
    api: FakeApi, argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "run.device=cpu"]) == 1
    shown = capsys.readouterr()
    assert [json.loads(line) for line in shown.out.splitlines()] == LINES
    assert "[b]dog[/b] 75.0%" in shown.err
    assert "sick.png: is no image" in shown.err
    assert api.calls == [("load", tmp_path, RunSettings(device="cpu"))]


def test_lines_to_a_file_and_table_to_the_output(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "output=p.jsonl"]) == 1
    assert [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()] == LINES
    assert "75.0%" in capsys.readouterr().out


def test_readable_lines_for_a_terminal(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["good.png: [b]dog[/b] 75.0%", "sick.png: is no image"]
    assert shown.err == "vision: not predicted: sick.png: is no image\n"


def test_all_good_is_status_0_and_files_that_cannot_be_read_do_not_stop_the_others(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv[:-1], "output=p.jsonl"]) == 0
    (tmp_path / "cut.rec").write_bytes(b"no records")
    assert main([*argv[:2], "cut.rec", "good.png"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line.get("label", "failed") for line in lines] == ["failed", "[b]dog[/b]"]


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        (["nothing.png"], "Argument 'nothing.png' does not exist: give an image"),
        (["no*thing.png"], "Argument 'no*thing.png' names no image"),
        (["output=no/such/p.jsonl"], "no/such/p.jsonl cannot be written"),
        (["output=mask.png"], "Setting output is 'mask.png', but lines of JSON are written into it"),
        (["hp.epochs=3"], "Setting 'hp.epochs' is unknown"),
    ],
)
def test_problems(argv: list[str], extra: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, *extra]) == 2
    assert part in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.JPG", "a.png", "deep/c.jpeg", "notes.txt", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["b.JPG", "a.png"], ["b.JPG", "a.png"]),
        (["notes.txt"], ["notes.txt"]),
        (["."], ["a.png", "b.JPG", "deep/c.jpeg"]),
        (["deep", "a.png"], ["deep/c.jpeg", "a.png"]),
        (["*.png"], ["a.png"]),
        (["**/*.jpeg"], ["deep/c.jpeg"]),
    ],
)
def test_finds(folder: Path, words: list[str], expected: list[str]) -> None:
    assert [path.as_posix() for path in find_images(words)] == expected


@pytest.mark.parametrize("word", ["empty", "*.gif"])
def test_a_word_that_names_nothing_is_an_error(folder: Path, word: str) -> None:
    with pytest.raises(UserError, match="names no image"):
        find_images(["a.png", word])


@pytest.mark.parametrize("word", ["no.png", "no/such/folder/", "no.rec"])
def test_what_does_not_exist_is_said_so(folder: Path, word: str) -> None:
    with pytest.raises(UserError, match="does not exist: give an image"):
        find_images(["a.png", word])


def test_no_words() -> None:
    with pytest.raises(UserError, match="Images are missing"):
        find_images([])


def test_reads_files_and_records(folder: Path) -> None:
    with RecordIOWriter(folder / "x.rec") as writer:
        writer.write(7, pack(1.0, 7, b"first"))
        writer.write(8, pack(0.0, 8, b"second"))
    found = [(key, bytes(encoded)) for key, encoded in encoded_images([Path("a.png"), Path("x.rec")])]
    assert [encoded for _, encoded in found] == [b"a.png", b"first", b"second"]
    assert found[0][0] == "a.png"
    assert "x.rec record 1 (id 8)" in found[2][0]


def test_a_file_that_is_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_table, "MAX_FILE_BYTES", 4)
    ((_, error),) = encoded_images([Path("a.png")])
    assert isinstance(error, DataError)
    assert "a.png: has more than the 4 bytes" in str(error)
