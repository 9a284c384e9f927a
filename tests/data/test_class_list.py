from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vision.data.class_list import YOLO_LISTS, find_class_list, read_class_list, write_class_list
from vision.settings.errors import DataError


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_names_come_back_in_order(tmp_path: Path) -> None:
    write_class_list(tmp_path / "new", ("zebra", "Äpfel", "a b"))
    assert find_class_list(None, tmp_path / "new") == ("zebra", "Äpfel", "a b")


def test_spaces_of_other_scripts_belong_to_the_name(tmp_path: Path) -> None:
    names = ("\u3000a\u00a0", "b\u202fc", "d\u200c", "e\u2028\x85f", '-g, [h]="i"')
    write_class_list(tmp_path, names)
    assert find_class_list(None, tmp_path) == names


@pytest.mark.parametrize("name", ["a\nb", "a\tb", " a", "a\r", "\ud800"])
def test_what_a_line_cannot_hold_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot name the class"):
        write_class_list(tmp_path, ("b", name))
    assert not (tmp_path / "classes.txt").exists()


def test_the_users_file_comes_first(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("zebra",))
    (tmp_path / "mine.txt").write_text("cat\ndog\n")
    assert find_class_list(tmp_path / "mine.txt", tmp_path, stated=("lion",)) == ("cat", "dog")
    assert find_class_list(None, tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("data.yaml", "nc: 2\nnames: ['peix', 'taca']\n", ("peix", "taca")),
        ("data.yaml", "path: .\nnames:\n  0: cat\n  1: dog\n", ("cat", "dog")),
        ("data.yml", "names:\n- no\n- 007\n- 1e3\n", ("no", "007", "1e3")),
        ("gaps.yaml", "names: {0: cat, 2: dog}\n", ("cat", "1", "dog")),
        ("anchored.yaml", "a: &a cat\nnames: [*a, dog]\n", ("cat", "dog")),
        ("obj.names", "cat\r\ndog\r\n\r\n", ("cat", "dog")),
        ("classes.txt", "\ufeffcat\ndog", ("cat", "dog")),
    ],
)
def test_forms_of_lists(name: str, text: str, names: tuple[str, ...], put: Callable[[str, str], Path]) -> None:
    path = put(name, text)
    assert read_class_list(path) == names
    assert find_class_list(None, path.parent, patterns=YOLO_LISTS) == names


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("classes.txt", b"cat\ncat\n", "'cat' has the id 1"),
        ("classes.txt", b"cat\n\ndog\n", "must be text"),
        ("classes.txt", b"", "must be text"),
        ("classes.txt", b"\xff\xfe", "cannot be read"),
        ("data.yaml", b"names: [a, a]", "'a' has the id 1"),
        ("data.yaml", b"names: {0: a, 0: b}", "is called 'b', but 'a'"),
        ("data.yaml", b"names: {0: a, 0: a}", "class 0 is named twice"),
        ("data.yaml", b"names: {x: a}", "class id 'x' must be a whole number"),
        ("data.yaml", b"names: [[a], b]", "must be text"),
        ("data.yaml", b"names: a b", "neither a list nor a mapping"),
        ("data.yaml", b"names: []", "names no class"),
        ("data.yaml", b"names: [a]\nnc: 2", "has nc: 2, but 1 names"),
        ("data.yaml", b"names: [a", "is not YAML"),
        ("data.yaml", b"path: x", "has no names"),
        ("data.yaml", b"names:\n " + b"- " * 20_000, "is not YAML"),
        ("data.yaml", b"#" * (1 << 18) + b"\n", "has more than 262144 characters"),
    ],
)
def test_lists_that_are_none(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_class_list(tmp_path / name)


def test_yaml_runs_nothing_and_copies_nothing(put: Callable[[str, str], Path]) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert read_class_list(put("bomb.yaml", bomb + "names: [cat]\n")) == ("cat",)
    with pytest.raises(DataError, match="must be text"):
        read_class_list(put("bomb2.yaml", bomb + "names: *a29\n"))
    assert read_class_list(put("tag.yaml", "x: !!python/object/apply:os.system ['false']\nnames: [cat]\n")) == ("cat",)


def test_the_nearest_folder_decides(put: Callable[[str, str], Path], tmp_path: Path) -> None:
    put("up/data.yaml", "names: [far]")
    put("up/in/config.yaml", "lr: 1")
    put("up/in/classes.txt", "near")
    assert find_class_list(None, tmp_path / "up/in", tmp_path / "up", patterns=YOLO_LISTS) == ("near",)


def test_two_lists_that_disagree_are_both_named(put: Callable[[str, str], Path], tmp_path: Path) -> None:
    put("classes.txt", "cat\ndog")
    put("data.yaml", "names: [dog, cat]")
    with pytest.raises(
        DataError, match=r"data.yaml: names the classes dog, cat, but .*classes.txt cat, dog: .*classes="
    ):
        find_class_list(None, tmp_path, patterns=YOLO_LISTS)


def test_a_list_may_name_more_than_the_data_but_not_otherwise(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("cat", "dog", "bird"))
    assert find_class_list(None, tmp_path, stated=("0", "dog")) == ("cat", "dog", "bird")
    for stated in (("dog",), ("cat", "dog", "bird", "lion")):
        with pytest.raises(DataError, match=rf"names the classes cat, dog, bird, but the data {', '.join(stated)}:"):
            find_class_list(None, tmp_path, stated=stated)
    # A folder that other data share may hold their list.
    assert find_class_list(None, above=tmp_path, stated=("dog",)) == ("dog",)
    assert find_class_list(None, above=tmp_path, stated=("cat",)) == ("cat", "dog", "bird")
    assert find_class_list(None, above=tmp_path) == ("cat", "dog", "bird")


def test_other_classes_are_not_overwritten(tmp_path: Path) -> None:
    write_class_list(tmp_path, ("cat",))
    with pytest.raises(DataError, match=r"names the classes cat, but the data dog: .*give classes=FILE"):
        write_class_list(tmp_path, ("dog",))
    assert read_class_list(tmp_path / "classes.txt") == ("cat",)
