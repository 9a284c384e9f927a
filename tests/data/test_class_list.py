from __future__ import annotations

from pathlib import Path

import pytest

from vision.data.class_list import find_class_list, read_class_list, write_class_list
from vision.settings.errors import DataError


def test_names_come_back_in_order(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("zebra", "Äpfel", "a b"))
    assert find_class_list(None, tmp_path) == ("zebra", "Äpfel", "a b")


def test_the_users_file_comes_first(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("zebra",))
    (tmp_path / "mine.txt").write_text("cat\ndog\n")
    assert find_class_list(tmp_path / "mine.txt", tmp_path) == ("cat", "dog")
    assert find_class_list(None, tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"cat\ncat\n", "'cat' has the id 1"), (b"cat\n\ndog\n", "must be text"), (b"\xff\xfe", "cannot be read")],
)
def test_lists_that_are_none(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_class_list(tmp_path / "classes.txt")


def test_other_classes_are_not_overwritten(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("cat",))
    with pytest.raises(DataError, match="names other classes"):
        write_class_list(tmp_path, ("dog",))
    assert read_class_list(tmp_path / "classes.txt") == ("cat",)
