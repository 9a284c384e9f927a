"""Whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vision.files.atomic_file import AtomicFile, atomic_file, check_writable, part_of, remove_abandoned, write_whole
from vision.files.write_error import WriteError, make_below, make_folder
from vision.settings.errors import UserError

# Holds a file half written until its input ends.
WRITER = """
import sys
from pathlib import Path
from vision.files.atomic_file import AtomicFile
file = AtomicFile(Path(sys.argv[1]))
file.write(b"half")
file.file.flush()
print("writing", flush=True)
sys.stdin.read()
"""


def test_takes_the_place_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.write(b"new" + None)  # type: ignore[operator]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_keeps_others_out_and_a_killed_one_nobody(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        with pytest.raises(UserError, match=r"model\.json is being written by another process"):
            write_whole(path, b"new")
        assert remove_abandoned(tmp_path, "*") == []
        process.kill()
    assert part_of(path).read_bytes() == b"half"
    write_whole(path, b"n")
    assert path.read_bytes() == b"n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_writers_left_can_be_removed(tmp_path: Path) -> None:
    stray, other = tmp_path / ".a.decoded.part", tmp_path / ".b.json.part"
    for path in (stray, other):
        path.write_bytes(b"half")
    assert remove_abandoned(tmp_path, "*.decoded") == [stray]
    assert list(tmp_path.iterdir()) == [other]


def test_a_link_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "disk" / "a.csv", tmp_path / "a.csv"
    target.parent.mkdir()
    link.symlink_to(target)
    write_whole(link, "text")
    assert link.is_symlink()
    assert target.read_text() == "text"


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, b"bytes")
    assert os.read(reader, 100) == b"bytes"
    os.close(reader)
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    write_whole(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# Places that no user can write to, not even root.
PLACES = [
    ("/dev/full", "the disk is full: free some space"),
    ("/proc/vision.json", "its folder does not exist"),
    ("{folder}/missing/a.json", "its folder does not exist, or was removed"),
    ("{folder}/file/a.json", "a file stands where a folder is needed"),
    ("{folder}/" + 300 * "a", "the path, or a name in it, is too long: give a shorter one"),
    ("{folder}", "it is a folder: give the name of a file"),
]


@pytest.mark.parametrize(("place", "words"), PLACES)
def test_every_place_that_cannot_be_written_has_its_sentence(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "file").touch()
    path = Path(place.format(folder=tmp_path))
    with pytest.raises(WriteError, match=words) as caught:
        write_whole(path, bytes(1 << 20))
    assert str(path)[:40] in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("place", "words"), PLACES[1:2] + PLACES[3:])
def test_it_is_said_before_the_work(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=words):
        check_writable(Path(place.format(folder=tmp_path)))


def test_the_check_makes_the_folder_and_leaves_a_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    check_writable(path)
    assert list(tmp_path.rglob("*")) == [path.parent]
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    check_writable("/dev/full")


def test_folders_are_made_below_one_that_is_there(tmp_path: Path) -> None:
    make_below(tmp_path, tmp_path / "a" / "b")
    make_below(tmp_path, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(FileNotFoundError):
        make_below(tmp_path / "gone", tmp_path / "gone" / "a")


def test_a_folder_that_cannot_be_made_has_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="file/runs cannot be written, since a file stands"):
        make_folder(tmp_path / "file" / "runs")


def test_foreign_errors_over_the_systems_are_seen_through() -> None:
    with (
        pytest.raises(WriteError, match="/dev/full cannot be written, since the disk is full"),
        AtomicFile("/dev/full") as file,
    ):
        torch.save(torch.zeros(1 << 20), file.file)


def test_another_files_error_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="source"), atomic_file(tmp_path / "copy"):
        (tmp_path / "source").open()
    assert not list(tmp_path.iterdir())
