from __future__ import annotations

from pathlib import Path

import pytest

from vision.cli.image_files import encoded_images, find_images
from vision.data.readers import file_table
from vision.data.recordio import pack
from vision.data.recordio_writer import RecordIOWriter
from vision.settings.errors import DataError, UserError


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
    with pytest.raises(UserError, match="Images to predict are missing"):
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
