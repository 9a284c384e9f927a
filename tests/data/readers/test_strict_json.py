from __future__ import annotations

import pytest

from vision.data.readers.strict_json import parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [(b'{"a": [1, 2.5]}', {"a": [1, 2.5]}), ("[]", []), (b"\xef\xbb\xbf3", 3), (b'"\xc3\xa9"', "é")],
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
        (b"1" * 10_000, "limit"),
    ],
)
def test_anything_else_is_a_value_error(text: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_json(text)
