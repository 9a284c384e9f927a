"""Reads the body of a request within bounds and splits it into encoded images."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from vision.data.image_header import BadHeaderError, read_header
from vision.data.recordio.record import (
    MAGIC_BYTES,
    BrokenRecordError,
    iter_parts,
    join_parts,
    padded,
    record_key,
    unpack,
)
from vision.serving.media_types import BodyKind
from vision.serving.request_failure import RequestFailure
from vision.settings.errors import DataError

# Parts of all records of a body. A record has one part, and one more for each magic number in its image: rare.
_MOST_PARTS = 1 << 14


@dataclass(frozen=True)
class EncodedImage:
    """One image of a request; ``key`` names it in sentences."""

    encoded: bytes | memoryview
    key: str


@dataclass(frozen=True)
class Images:
    """The images of a body; ``is_list`` if it consists of records, even of a single one."""

    images: tuple[EncodedImage, ...]
    is_list: bool


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """Read the whole body, never holding more than ``max_bytes``. Raises RequestFailure 400, 408, 413 or 415."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestFailure(415, "the body has a Content-Encoding, but only bodies without compression are read")
    declared = _declared_bytes(request)
    if declared > max_bytes:
        raise _too_large(max_bytes, declared)
    chunks: list[bytes] = []
    total = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                total += len(chunk)
                if total > max_bytes:
                    raise _too_large(max_bytes, total)
                chunks.append(chunk)
    except TimeoutError:
        limit = f"{timeout_s:g} seconds that timeout_s allows"
        raise RequestFailure(408, f"the body did not come within the {limit}") from None
    except ClientDisconnect:
        raise RequestFailure(400, "the connection was closed before the whole body had come") from None
    return b"".join(chunks)


def images_of(body: bytes, kind: BodyKind, max_images: int) -> Images:
    """Return the encoded images of a body. Raises RequestFailure 400 or 413."""
    if kind == "any":
        kind = "recordio" if body.startswith(MAGIC_BYTES) else "image"
    if kind == "image":
        return Images((EncodedImage(body, "the body"),), is_list=False)
    images: list[EncodedImage] = []
    try:
        for image in _record_images(memoryview(body)):
            images.append(image)
            if len(images) > max_images:
                raise RequestFailure(
                    413, f"the body has more than the {max_images} records that a request may have; send several"
                )
    except DataError as error:
        raise RequestFailure(400, str(error)) from None
    if not images:
        raise RequestFailure(400, "the body is empty, but application/x-recordio needs at least one record")
    return Images(tuple(images), is_list=True)


def _record_images(body: memoryview) -> Iterator[EncodedImage]:
    offset, number, parts_left = 0, 0, _MOST_PARTS
    while offset < len(body):
        key = record_key("the body,", number, offset)
        try:
            parts = list(itertools.islice(iter_parts(body, offset), parts_left))
            parts_left -= len(parts)
            if not parts_left:
                raise BrokenRecordError(f"it and those before it have {_MOST_PARTS} parts or more; send several bodies")
            payload = body[slice(*parts[0])] if len(parts) == 1 else join_parts(body, offset)
        except BrokenRecordError as problem:
            raise DataError(key, str(problem)) from None
        yield EncodedImage(payload if _is_bare_image(payload) else unpack(payload, key).encoded, key)
        offset, number = padded(parts[-1][1]), number + 1


def _is_bare_image(payload: memoryview) -> bool:
    """Return whether a record is an image without MXNet's header, as the platform makes them from manifests."""
    try:
        return read_header(payload) is not None
    except BadHeaderError:
        return True


def _declared_bytes(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    # The protocol has refused malformed numbers already.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _too_large(max_bytes: int, size: int) -> RequestFailure:
    return RequestFailure(
        413, f"the body has {size} bytes, more than the {max_bytes} that max_payload_mb allows; send a smaller image"
    )
