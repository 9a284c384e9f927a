from __future__ import annotations

from pathlib import Path

import pytest

from vision.settings.strict_json import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[[], {}]" + b" " * 9, [[], {}]),
        (b"[" + b"[1]," * 200 + b"1]", [*([[1]] * 200), 1]),
        (b'{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        ("[]", []),
        (b"\xef\xbb\xbf3", 3),
        (b'"\xc3\xa9"', "é"),
    ],
)
def test_values(text: bytes | str, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{'a': 1}", "not JSON: Expecting property name"),
        (b"", "not JSON: Expecting value"),
        (b'{"a": NaN}', "not JSON: it holds NaN"),
        (b"[Infinity]", "not JSON: it holds Infinity"),
        (b'"\xe9"', "not JSON: it is not UTF-8 text"),
        (b"[" * 200_000, "not read: it is nested too deeply"),
        (b"[" * 101 + b"]" * 101, "not read: it is nested too deeply"),
        ('{"a":' * 500 + "1" + "}" * 500, "not read: it is nested too deeply"),
        (b"1" * 10_000, "limit"),
    ],
)
def test_anything_else_is_a_value_error(text: bytes | str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_json(text)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 3]")
    assert read_json(path, 9) == [1, 2, 3]
    with pytest.raises(ValueError, match="more than 8 bytes"):
        read_json(path, 8)
