from __future__ import annotations

import os

import pytest

from vision.settings.file_names import line_problem, local_path, name_problem, same_letters, shown_name

LEGAL = (
    "Screenshot 10.00\u202fPM.png",
    "a\u00a0b",
    "\u3000a\u3000",
    "a\u200cb\u200d",
    "\u2028",
    "\x85",
    "\x01",
    "K\u00e4se",
    "Ka\u0308se",
    "a b,c=[d]{e}'\"`$;&|<>*?",
    "-x",
    "x" * 255,
    os.fsdecode(b"\xf0\x9f\x90\xb1"),
)


@pytest.mark.parametrize("name", LEGAL)
def test_legal_everywhere(name: str) -> None:
    assert name_problem(name) is None
    assert line_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem", "in_lines"),
    [
        ("a\0b", "NUL", "NUL"),
        (os.fsdecode(b"caf\xe9"), "is not UTF-8; rename it", "is not UTF-8; rename it"),
        ("\ud800", "is not UTF-8", "is not UTF-8"),
        ("a\tb", None, "tab or a line break"),
        ("a\nb", None, "tab or a line break"),
        ("a\r", None, "tab or a line break"),
        (" a", None, "begins or ends with a blank"),
        ("a ", None, "begins or ends with a blank"),
    ],
)
def test_illegal(name: str, problem: str | None, in_lines: str) -> None:
    for found, expected in ((name_problem(name), problem), (line_problem(name), in_lines)):
        assert found is None if expected is None else expected in str(found)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (os.fsdecode(b"caf\xe9/1.jpg"), r"'caf\xe9/1.jpg'"),
        ("\ud800", r"'\ud800'"),
        ("a\u202fb", r"'a\u202fb'"),
        ("it's", '"it\'s"'),
        ("x" * 255, f"'{'x' * 95}...'"),
    ],
)
def test_shown(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_names_that_look_alike_are_the_same_letters() -> None:
    assert same_letters("Ka\u0308se") == same_letters("K\u00e4se") == "K\u00e4se"
    assert same_letters("cat") != same_letters("Cat")


def test_a_name_that_begins_like_the_home_folder_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert str(local_path("~/data")) == "/home/me/data"
    assert str(local_path("~no-such-user-here.jpg")) == "~no-such-user-here.jpg"
