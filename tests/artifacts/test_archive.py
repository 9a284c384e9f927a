"""Packing is repeatable; unpacking trusts nothing."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from vision.artifacts.archive import MAX_MEMBERS, extract_archive, pack_archive
from vision.settings.errors import UserError


def write_archive(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpack(archive: Path, max_size: int = 1000, max_bytes: int = 10**6) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """Names in the archive, and what lies in the folder afterwards; ``wanted`` and ``other`` are asked for."""
    folder = archive.parent / "unpacked"
    folder.mkdir()
    names = extract_archive(archive, folder, {"wanted": max_size, "other": max_size}.get, max_bytes)
    return names, {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_packing_is_repeatable_and_readable_by_tar(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        order = ("b", "a") if name == "one" else ("a", "b")
        for file in order:
            (folder / file).write_bytes(file.encode() * 1000)
        os.utime(folder / "a", (1, len(name)))
        (folder / "a").chmod(0o600 if name == "one" else 0o755)
        (folder / "not named").touch()
        pack_archive(folder, order, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    listed = subprocess.run(["tar", "tzf", tmp_path / "one.tar.gz"], capture_output=True, text=True, check=True)
    assert listed.stdout == "a\nb\n"


def test_only_wanted_files_are_written(tmp_path: Path) -> None:
    archive = write_archive(
        tmp_path / "a.tar.gz",
        special("./", tarfile.DIRTYPE),
        ("./wanted", b"1"),
        ("code/wanted", b"2"),
        ("README", b"3"),
    )
    assert unpack(archive) == (("README", "code/wanted", "wanted"), {"wanted": b"1"})


@pytest.mark.parametrize(
    ("case", "members", "words"),
    [
        ("parent folder", [("../wanted", b"x")], "would leave the folder"),
        ("parent inside", [("a/../../wanted", b"x")], "would leave the folder"),
        ("absolute", [("/etc/wanted", b"x")], "would leave the folder"),
        ("symbolic link", [special("wanted", tarfile.SYMTYPE, "/etc/passwd")], "a symbolic link"),
        ("write through a link", [special("d", tarfile.SYMTYPE, "/tmp"), ("d/wanted", b"x")], "a symbolic link"),
        ("hard link", [special("wanted", tarfile.LNKTYPE, "/etc/passwd")], "a hard link"),
        ("device", [special("wanted", tarfile.CHRTYPE)], "a character device"),
        ("pipe", [special("wanted", tarfile.FIFOTYPE)], "a named pipe"),
        ("twice", [("wanted", b"x"), ("wanted", b"y")], "'wanted' twice"),
        ("twice in disguise", [("wanted", b"x"), ("./wanted", b"y")], "'wanted' twice"),
        ("too large a file", [("wanted", b"x" * 1001)], "at most 1000"),
        ("pickle", [("wanted", b"x"), ("model.PTH", b"x")], "can run code"),
        ("pickle in a folder", [("checkpoints/last.ckpt", b"x")], "can run code"),
    ],
)
def test_refuses(tmp_path: Path, case: str, members: list[tuple[str, bytes] | tarfile.TarInfo], words: str) -> None:
    archive = write_archive(tmp_path / "bad.tar.gz", *members)
    with pytest.raises(UserError, match=words) as caught:
        unpack(archive)
    assert str(archive) in str(caught.value)
    assert {entry.name for entry in tmp_path.iterdir()} == {"bad.tar.gz", "unpacked"}


def test_a_backslash_is_no_way_out(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.gz", ("..\\wanted", b"x"))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    assert extract_archive(archive, folder, lambda name: 1000, 10**6) == ("..\\wanted",)
    assert not list(folder.iterdir())


def test_refuses_thousands_of_members(tmp_path: Path) -> None:
    names = [(str(number), b"") for number in range(MAX_MEMBERS + 1)]
    with pytest.raises(UserError, match=f"more than {MAX_MEMBERS} files"):
        unpack(write_archive(tmp_path / "many.tar.gz", *names), max_bytes=10**8)


@pytest.mark.parametrize("name", ["wanted", "ignored"])
def test_refuses_a_bomb_before_it_unpacks(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo(name)
    info.size = 2**40
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf())
        for _ in range(64):
            file.write(bytes(2**20))
    assert path.stat().st_size < 10**5
    with pytest.raises(UserError, match=r"at most|unpacks to more than 1000000 bytes"):
        unpack(path)


def test_refuses_every_truncation(tmp_path: Path) -> None:
    data = write_archive(tmp_path / "whole.tar.gz", ("wanted", os.urandom(300)), ("other", b"x")).read_bytes()
    for length in range(len(data)):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "cut.tar.gz").write_bytes(data[:length])
        with pytest.raises(UserError, match=r"cut\.tar\.gz"):
            unpack(folder / "cut.tar.gz")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x1f\x8b", b"\x1f\x8b" + b"\xff" * 50, gzip.compress(b"no tar", mtime=0)]
)
def test_refuses_other_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tar\.gz (is not|is damaged|ends)"):
        unpack(tmp_path / "a.tar.gz")


def test_says_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.gz", ("wanted", b"x"))
    with pytest.raises(UserError, match="cannot be unpacked into"):
        extract_archive(archive, tmp_path / "missing", lambda name: 1000, 10**6)
