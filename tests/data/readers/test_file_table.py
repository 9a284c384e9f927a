from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest

from vision.data.readers import file_table
from vision.data.readers.file_table import FileTable, foreign_images_problem, is_image_name, path_problem, walk_files
from vision.settings.errors import DataError

# Spaces and joiners that macOS, Asian and Arabic keyboards put into names.
SPACES = (
    "a\u202fb.png",
    "a\u00a0b.png",
    "\u3000.png",
    "a\u200cb\u200d.png",
    "a\u2028b\x85.png",
    " a, (1) [b] {c}=d.png",
)


def test_paths_come_back_as_they_were(tree) -> None:
    root = tree({"a/ä.png": b"1", "b c.png": b"22", "c": b""})
    paths = ["a/ä.png", "b c.png", "c"]
    table = pickle.loads(pickle.dumps(FileTable(root, paths)))
    assert [table[index] for index in range(len(table))] == paths
    assert [table.read(index, "k") for index in range(3)] == [b"1", b"22", b""]


def test_unreadable_files_are_data_errors(tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree({"big": b"12345", "folder/x": b""})
    table = FileTable(root, ["gone.png", "big", "folder"])
    with pytest.raises(DataError, match=r"^k: .*gone.png cannot be read \(No such file or directory\)"):
        table.read(0, "k")
    with pytest.raises(DataError, match="cannot be read"):
        table.read(2, "k")
    monkeypatch.setattr(file_table, "MAX_FILE_BYTES", 4)
    with pytest.raises(DataError, match="has 5 bytes, more than the 4 that a file may have"):
        table.read(1, "k")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("a/x.png", None),
        ("a/./x.png", None),
        ("a..b.png", None),
        ("../x.png", "must be relative to"),
        ("a/../../x.png", "without '..'"),
        ("/etc/passwd", "must be relative to"),
        ("a", "is a folder, not an image"),
        ("a/y.png", "does not exist below"),
        ("a\\x.png", "does not exist below .*; use forward slashes"),
        ("a\0x.png", "holds a NUL character"),
        ("a\nx.png", "does not exist below"),
        ("\ud800.png", "is not UTF-8"),
        ("Ka\u0308se.png", None),
        ("K\u00e4se.png", r"does not exist below .*, where a file has this name with its accents .*\(Unicode NFD\)"),
        *((name, None) for name in SPACES),
    ],
)
def test_path_problem(tree, path: str, sentence: str | None) -> None:
    root = tree({"a/x.png": b"", "a..b.png": b"", "Ka\u0308se.png": b"", **dict.fromkeys(SPACES, b"")})
    problem = path_problem(root, path)
    if sentence is None:
        assert problem is None
    else:
        assert problem is not None
        assert re.search(sentence, problem)


def test_walk_leaves_out_what_no_user_put_there(tree) -> None:
    root = tree({"b/2.png": b"", "b/1.png": b"", ".git/x": b"", "a.txt": b"", "b/.DS_Store": b"", "Thumbs.db": b""})
    assert list(walk_files(root)) == ["a.txt", "b/1.png", "b/2.png"]


def test_walk_follows_links_but_not_in_circles(tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.png").write_bytes(b"")
    root: Path = tree({"a/1.png": b""})
    (root / "linked").symlink_to(elsewhere)
    assert list(walk_files(root)) == ["a/1.png", "linked/x.png"]
    (root / "a" / "loop").symlink_to(root)
    with pytest.raises(DataError, match="is a link to a folder that holds it"):
        list(walk_files(root))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (b"caf\xe9/1.png", r"holds the folder 'caf\\xe9', whose name is not UTF-8; rename it \(convmv"),
        (b"b/caf\xe9.JPG", r"b: holds the image 'caf\\xe9.JPG', whose name is not UTF-8"),
        (b"b/caf\xe9.heic", r"b: holds the image 'caf\\xe9.heic', whose name is not UTF-8"),
        (b"b/caf\xe9.txt", None),
    ],
)
def test_folders_and_images_whose_names_are_not_utf8(name: bytes, sentence: str | None, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir()
    path.touch()
    if sentence is None:
        assert list(walk_files(tmp_path)) == [os.fsdecode(name)]
    else:
        with pytest.raises(DataError, match=sentence):
            list(walk_files(tmp_path))


def test_images_of_kinds_that_cannot_be_read_are_counted_and_named() -> None:
    names = ["a.jpg", "b/1.JXL", "b/2.psd", "c.cr2", "notes.txt", "d.avif"]
    assert foreign_images_problem(["a.jpg", "notes.txt"]) is None
    problem = foreign_images_problem([name for name in names if not is_image_name(name)])
    assert problem is not None
    assert re.match(r"holds \d images of kinds that cannot be read \(.*1 Canon raw.*; first '", problem)
