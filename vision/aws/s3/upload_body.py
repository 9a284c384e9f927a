"""The body of an upload, as it comes: plain or in AWS's chunks, counted, and compared with the client's checksums."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, Protocol

from starlette.requests import Request

from vision.aws.failure import ServiceFailure
from vision.settings.nearest import shown

_CHECKSUM = "x-amz-checksum-"
_WRITE_BYTES = 1 << 20
_LONGEST_LINE = 8192
_CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]{1,16})(;.*)?")
# What S3 takes in one upload, or as one part.
_MOST_BYTES = 5 << 30


class _Digest(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# S3 knows crc32c and crc64nvme too: those are neither compared nor sent back.
_CHECKSUMS: dict[str, Callable[[], _Digest]] = {
    "crc32": _Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


class UploadBody:
    """Reads one body. After ``write_to``, ``md5`` is that of the content and ``checksums`` holds headers to answer."""

    def __init__(self, request: Request) -> None:
        self._headers = request.headers
        self._stream = request.stream()
        self._given: dict[str, str] = {
            name: value for name, value in request.headers.items() if name.startswith(_CHECKSUM)
        }
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests: dict[str, _Digest] = {}
        self.size = 0
        self.checksums: dict[str, str] = {}

    @property
    def md5(self) -> str:
        """Return the content's MD5 in hexadecimal, which is the ETag of a whole upload."""
        return self._md5.hexdigest()

    async def write_to(self, file: BinaryIO) -> None:
        """Write the whole content. Raises ServiceFailure if it is not what the headers say."""
        trailer = self._headers.get("x-amz-trailer", "").strip().lower()
        names = {name.removeprefix(_CHECKSUM) for name in (*self._given, trailer)}
        self._digests = {name: make() for name, make in _CHECKSUMS.items() if name in names}
        waiting = bytearray()
        async for piece in self._pieces():
            self.size += len(piece)
            if self.size > _MOST_BYTES:
                raise ServiceFailure(400, "EntityTooLarge", "an upload holds at most 5 GiB: send it in parts")
            waiting += piece
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(self._take, file, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(self._take, file, bytes(waiting))
        self._compare()

    def _take(self, file: BinaryIO, data: bytes) -> None:
        for digest in (self._md5, *self._digests.values()):
            digest.update(data)
        file.write(data)

    def _pieces(self) -> AsyncIterator[bytes]:
        is_chunked = self._headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
        encodings = self._headers.get("content-encoding", "").replace(" ", "").split(",")
        return self._chunks() if is_chunked or "aws-chunked" in encodings else self._stream

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Yield the content of ``aws-chunked``: a size in hexadecimal, that many bytes, and checksums at the end."""
        buffer = _Buffer(self._stream)
        while True:
            found = _CHUNK_HEAD.fullmatch(await buffer.line())
            if found is None:
                raise _malformed("a chunk does not begin with its size")
            left = int(found[1], 16)
            if left == 0:
                break
            while left:
                piece = await buffer.some(left)
                left -= len(piece)
                yield piece
            if await buffer.line():
                raise _malformed("a chunk is longer than it says")
        while line := await buffer.line(may_end=True):
            name, _, value = line.decode("latin-1").partition(":")
            if name.strip().lower().startswith(_CHECKSUM):
                self._given[name.strip().lower()] = value.strip()

    def _compare(self) -> None:
        length = self._headers.get("x-amz-decoded-content-length")
        if length is not None and length != str(self.size):
            raise _malformed(f"the content has {self.size} bytes, but {shown(length)} were announced")
        given = self._headers.get("content-md5")
        if given is not None and _decoded(given) != self._md5.digest():
            raise ServiceFailure(400, "BadDigest", f"Content-MD5 is {shown(given)}, but that of the content is another")
        for name, digest in self._digests.items():
            found = base64.b64encode(digest.digest()).decode()
            header = _CHECKSUM + name
            if header in self._given and _decoded(self._given[header]) != digest.digest():
                raise ServiceFailure(
                    400, "BadDigest", f"{header} is {shown(self._given[header])}, but that of the content is {found}"
                )
            self.checksums[header] = found


class _Buffer:
    """Lines and counted bytes of a stream."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._held = bytearray()

    async def some(self, most: int) -> bytes:
        """Return at least one and at most ``most`` bytes."""
        if not self._held and not await self._fill():
            raise _malformed("the body ends in the middle of a chunk")
        piece = bytes(self._held[:most])
        del self._held[:most]
        return piece

    async def line(self, *, may_end: bool = False) -> bytes:
        """Return a line without its end."""
        while (end := self._held.find(b"\r\n")) < 0:
            if len(self._held) > _LONGEST_LINE:
                raise _malformed("a line of its chunks is too long")
            if not await self._fill():
                if may_end and not self._held:
                    return b""
                raise _malformed("the body ends in the middle of a chunk")
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    async def _fill(self) -> bool:
        async for piece in self._stream:
            if piece:
                self._held += piece
                return True
        return False


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _malformed(what: str) -> ServiceFailure:
    return ServiceFailure(400, "IncompleteBody", f"the body cannot be read: {what}")
