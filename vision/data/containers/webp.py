"""WebP: chunks in a RIFF file; one picture, or frames of an animation whose first counts."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vision.data.containers.exif import exif_orientation
from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

# Animations have some hundred frames, each in a chunk.
MAX_CHUNKS = 1 << 16

_FIRST_CHUNK = 12
_ANIMATION = 0x02


def read_header(encoded: Bytes) -> ImageHeader:
    """Read the size of the canvas, and the orientation where there is an EXIF chunk."""
    kind = bytes(encoded[12:16])
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", encoded, 26)
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", encoded, 21)[0]
        return ImageHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind != b"VP8X":
        raise BadHeaderError(f"holds a chunk {kind!r} where its picture must be; the file is damaged")
    width, height = (int.from_bytes(encoded[at : at + 3], "little") + 1 for at in (24, 27))
    orientation = 1
    for name, start, end in _chunks(encoded):
        if name == b"EXIF":
            body = encoded[start:end]
            orientation = exif_orientation(body[6:] if body[:6] == b"Exif\0\0" else body)
            break
    return ImageHeader("WebP", width, height, orientation)


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Compare the length of the file and of each chunk with the bytes that are there."""
    if struct.unpack_from("<I", encoded, 4)[0] + 8 > len(encoded):
        raise cut_off(encoded)
    for number, (name, start, end) in enumerate(_chunks(encoded)):
        if number == MAX_CHUNKS:
            raise BadBodyError(f"has more than {MAX_CHUNKS} chunks; save it again")
        if end > len(encoded):
            raise cut_off(encoded, f"a chunk {name!r} of {end - start} bytes at byte {start - 8}")
    is_animation = encoded[12:16] == b"VP8X" and encoded[20] & _ANIMATION
    # Frames are drawn on a canvas, which is copied.
    return ImageBody(encoded, header.pixels * (8 if is_animation else 3))


def _chunks(encoded: Bytes) -> Iterator[tuple[bytes, int, int]]:
    """Return the name of each chunk, start and stated end of its body."""
    position, file_end = _FIRST_CHUNK, min(len(encoded), struct.unpack_from("<I", encoded, 4)[0] + 8)
    for _ in range(MAX_CHUNKS + 1):
        if position + 8 > file_end:
            return
        length = struct.unpack_from("<I", encoded, position + 4)[0]
        yield bytes(encoded[position : position + 4]), position + 8, position + 8 + length
        position += 8 + length + length % 2
