"""XML that comes from anywhere: no declarations in any encoding, no towers of elements."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from vision.data.convert.safe_xml import read_xml, text_of
from vision.settings.errors import DataError

GOOD = '<?xml version="1.0" encoding="{}"?><annotation><object><name>Tür</name></object></annotation>'
ENTITY = '<!ENTITY a "' + 1000 * "x" + '">'
BOMB = '<?xml version="1.0" encoding="{}"?><!DOCTYPE annotation [' + ENTITY + "]><annotation>&a;</annotation>"
OUTSIDE = '<?xml version="1.0" encoding="{}"?><!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>'
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"]


def encoded(text: str, encoding: str) -> bytes:
    declared = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(encoding, encoding)
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    return mark + text.format(declared).encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read_and_none_passes_a_declaration(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(encoded(GOOD, encoding))
    assert text_of(read_xml(path, "a.xml", "annotation"), "object/name") == "Tür"
    for hostile in (BOMB, OUTSIDE):
        path.write_bytes(encoded(hostile, encoding))
        with pytest.raises(DataError, match=r"a\.xml: declares a DOCTYPE or entities"):
            read_xml(path, "a.xml", "annotation")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<annotation>&undeclared;</annotation>", "is not XML: undefined entity"),
        (b"<annotation>" + 4_000_000 * b"<a>", "nests more than 64 elements"),
        (b"<annotation>" + 200_000 * b"<a/>" + b"</annotation>", "or has more than 100000"),
        (b'<?xml version="1.0" encoding="utf-7"?><annotation/>', "is not XML"),
        (b'<?xml version="1.0" encoding="no-such"?><annotation/>', "is not XML"),
        (b"\0\0\0\0", "is not XML"),
        (b"", "is not XML"),
        (b"<annotation>" + bytes(range(128, 256)) + b"</annotation>", "is not XML"),
    ],
    ids=["entity", "deep", "many", "utf-7", "unknown", "zeros", "empty", "bytes"],
)
def test_hostile_bytes_are_a_sentence_within_bounds(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            read_xml(path, "a.xml", "annotation")
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
