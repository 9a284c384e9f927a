"""Reads a tar stream that may be hostile, front to back, in bounded memory.

The standard library's reader keeps extension headers and sparse maps of any size in memory, so this one knows
only what an archive of plain files needs: ustar, GNU long names, and PAX headers for path and size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
CHUNK = 2**20
MAX_EXTENSION_BYTES = 2**16
MAX_EXTENSIONS = 8

_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


class BadArchiveError(Exception):
    """What is wrong with the archive, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Member:
    """A file or folder of the archive. ``name`` as it stands there, not checked."""

    name: str
    is_folder: bool
    size: int


class TarStream:
    """Iterate over the members; between two of them, ``chunks`` gives the content of the first.

    ``max_bytes`` bounds everything that is read from ``file``, headers and skipped members too.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._bytes_read = 0
        self._content_left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        while (member := self._next()) is not None:
            self._content_left = member.size
            self._padding = -member.size % BLOCK
            yield member
            for _ in self.chunks():
                pass
            self._read(self._padding)
        # Up to its end, so that a truncated or changed gzip stream fails its own check.
        while self._some(CHUNK):
            pass

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest of the current member's content, at most CHUNK bytes at a time."""
        while self._content_left:
            data = self._read(min(CHUNK, self._content_left))
            self._content_left -= len(data)
            yield data

    def _next(self) -> Member | None:
        name: str | None = None
        size: int | None = None
        for _ in range(MAX_EXTENSIONS):
            header = self._read(BLOCK)
            if not any(header):
                return None
            _check_sum(header)
            kind = header[156:157]
            header_size = _number(header[124:136])
            if kind in (b"x", b"g", b"L", b"K"):
                data = self._extension(header_size)
                if kind == b"L":
                    name = _text(data)
                elif kind == b"x":
                    records = _pax_records(data)
                    name = records.get("path", name)
                    size = _pax_size(records["size"]) if "size" in records else size
                continue
            name = _header_name(header) if name is None else name
            size = header_size if size is None else size
            if kind not in (b"0", b"\0", b"5"):
                what = _KINDS.get(kind, f"an entry of the unknown kind {kind!r}")
                raise BadArchiveError(f"holds {what}, {name[:100]!r}, and only plain files are allowed")
            is_folder = kind == b"5" or name.endswith("/")
            if is_folder and size:
                raise BadArchiveError(f"is damaged: the folder {name[:100]!r} has content")
            return Member(name, is_folder, size)
        raise BadArchiveError("is damaged: a file has too many extension headers")

    def _extension(self, size: int) -> bytes:
        if size > MAX_EXTENSION_BYTES:
            raise BadArchiveError(f"has a header of {size} bytes, and at most {MAX_EXTENSION_BYTES} are allowed")
        data = self._read(size)
        self._read(-size % BLOCK)
        return data

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._some(size)
            if not piece:
                raise BadArchiveError("ends too early")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        piece = self._file.read(size)
        self._bytes_read += len(piece)
        if self._bytes_read > self._max_bytes:
            raise BadArchiveError(f"unpacks to more than {self._max_bytes} bytes, the most that is allowed")
        return piece


def _check_sum(header: bytes) -> None:
    expected = _number(header[148:156])
    blanked = header[:148] + b" " * 8 + header[156:]
    # Some old programs added signed bytes.
    signed = sum(byte - 256 if byte > 127 else byte for byte in blanked)
    if expected not in (sum(blanked), signed):
        raise BadArchiveError("is not a tar archive, or is damaged: the checksum of a header is wrong")


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not all(byte in b"01234567" for byte in text):
        raise BadArchiveError("is not a tar archive, or is damaged: a header has no valid number")
    return int(text or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _header_name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    is_posix = header[257:263] == b"ustar\0"
    return f"{prefix}/{name}" if is_posix and prefix else name


def _pax_records(data: bytes) -> dict[str, str]:
    """Records are ``<length> <key>=<value>\\n``, where the length counts the whole record."""
    records = {}
    while data:
        digits, _, _ = data[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[len(digits) + 1 : length - 1]
        if length > len(data) or length <= len(digits) + 1 or b"=" not in record:
            raise BadArchiveError("is damaged: an extension header cannot be read")
        key, _, value = record.partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise BadArchiveError("holds a sparse file, and only plain files are allowed")
        records[_text(key)] = _text(value)
        data = data[length:]
    return records


def _pax_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadArchiveError("is damaged: an extension header has no valid size")
    return int(text)
