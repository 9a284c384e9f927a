"""The bounded tar reader beside the standard library's writer, and on bytes that no writer makes."""

from __future__ import annotations

import io
import tarfile

import pytest

from vision.artifacts.tar_stream import BadArchiveError, TarStream

LONG = "a" * 90 + "/" + "b" * 120 + "/é.txt"


def tar(*members: tuple[tarfile.TarInfo, bytes], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for entry, content in members:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, **values: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in values.items():
        setattr(info, key, value)
    return info


def read(data: bytes, max_bytes: int = 10**7) -> list[tuple[str, bool, bytes]]:
    stream = TarStream(io.BytesIO(data), max_bytes)
    return [(member.name, member.is_folder, b"".join(stream.chunks())) for member in stream]


def with_header(data: bytes, start: int, replacement: bytes) -> bytes:
    """The first header changed, with the right checksum."""
    header = bytearray(data[:512])
    header[start : start + len(replacement)] = replacement
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 2**20 + 1])
def test_reads_what_the_standard_library_writes(tar_format: int, size: int) -> None:
    contents = [b"x" * size, b"", b"last"]
    # A fraction in the time makes PAX write an extension header.
    members = [(entry(f"sub/{i}", mtime=1.5), content) for i, content in enumerate(contents)]
    data = tar((entry("sub", tarfile.DIRTYPE), b""), *members, tar_format=tar_format)
    expected = [("sub/", True, b""), *((f"sub/{i}", False, content) for i, content in enumerate(contents))]
    assert [(name.rstrip("/"), folder, content) for name, folder, content in read(data)] == [
        (name.rstrip("/"), folder, content) for name, folder, content in expected
    ]


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tar_format: int) -> None:
    data = tar((entry(LONG), b"one"), (entry("short"), b"two"), tar_format=tar_format)
    assert read(data) == [(LONG, False, b"one"), ("short", False, b"two")]


def test_ustar_prefix() -> None:
    name = "d" * 80 + "/" + "n" * 80
    assert read(tar((entry(name), b"x"), tar_format=tarfile.USTAR_FORMAT)) == [(name, False, b"x")]


def test_content_that_is_not_asked_for_is_passed_over() -> None:
    data = tar((entry("a"), b"1" * 1000), (entry("b"), b"2"))
    assert [member.name for member in TarStream(io.BytesIO(data), 10**6)] == ["a", "b"]


def test_global_pax_headers_have_no_effect() -> None:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0123abcd"}
    ) as archive:
        archive.addfile(entry("a", size=1), io.BytesIO(b"x"))
    assert read(buffer.getvalue()) == [("a", False, b"x")]


PLAIN = tar((entry("a"), b"x" * 600))
PAX = tar((entry("é" * 120), b"x"), tar_format=tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("case", "data", "words"),
    [
        ("nothing at all", b"", "ends too early"),
        ("cut in a header", PLAIN[:300], "ends too early"),
        ("cut in the content", PLAIN[:700], "ends too early"),
        ("cut before the end mark", PLAIN[:1536], "ends too early"),
        ("text", b"hello" * 200, "checksum|no valid number"),
        ("changed header", b"b" + PLAIN[1:], "checksum"),
        ("size is no octal number", with_header(PLAIN, 124, b"00000009999"), "no valid number"),
        ("negative size", with_header(PLAIN, 124, b"\xff" * 12), "no valid number"),
        ("huge size", with_header(PLAIN, 124, b"\x80" + b"\xff" * 11), "ends too early"),
        ("hard link", with_header(PLAIN, 156, b"1"), "a hard link"),
        ("symbolic link", with_header(PLAIN, 156, b"2"), "a symbolic link"),
        ("character device", with_header(PLAIN, 156, b"3"), "a character device"),
        ("block device", with_header(PLAIN, 156, b"4"), "a block device"),
        ("pipe", with_header(PLAIN, 156, b"6"), "a named pipe"),
        ("sparse", with_header(PLAIN, 156, b"S"), "a sparse file"),
        ("unknown kind", with_header(PLAIN, 156, b"Z"), "unknown kind"),
        ("folder with content", with_header(PLAIN, 156, b"5"), "has content"),
        ("PAX record without length", PAX[:512] + b"path=x\n" + PAX[519:], "extension header"),
        ("PAX record too long", PAX[:512] + b"999999 p=x\n" + PAX[523:], "extension header"),
        ("long name of gigabytes", with_header(with_header(PLAIN, 156, b"L"), 124, b"77777777777"), "a header of"),
        ("PAX header of megabytes", with_header(with_header(PLAIN, 156, b"x"), 124, b"00077777777"), "a header of"),
        ("extension headers without end", with_header(PLAIN, 156, b"L")[:1536] * 20, "too many extension headers"),
    ],
)
def test_refuses(case: str, data: bytes, words: str) -> None:
    with pytest.raises(BadArchiveError, match=words):
        read(data)


@pytest.mark.parametrize(
    "records", [{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, {"size": "-5"}, {"size": "9" * 30}]
)
def test_refuses_pax_records_that_mislead(records: dict[str, str]) -> None:
    data = tar((entry("a", pax_headers=records), b"x"), tar_format=tarfile.PAX_FORMAT)
    with pytest.raises(BadArchiveError, match=r"sparse|no valid size"):
        read(data)


def test_everything_counts_towards_the_bound() -> None:
    data = tar((entry("a"), b"x" * 10_000))
    assert read(data, max_bytes=len(data))
    for max_bytes in (0, 511, 9_000, len(data) - 1):
        with pytest.raises(BadArchiveError, match="unpacks to more than"):
            read(data, max_bytes)
