"""PNG: a signature, then chunks of a length, a name, a body and a checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vision.data.containers.exif import exif_orientation
from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

# 8 KiB are usual for a chunk of picture data: 800 MB of it.
MAX_CHUNKS = 100_000

_START_BYTES = 8
# Chunks that pixels depend on. All others (texts, color profiles, further frames, often compressed) are kept from the
# decoder, which would unpack them.
_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD"))
_HEADER_BYTES = 13
_PLAIN_START = _START_BYTES + 12 + _HEADER_BYTES
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def read_header(encoded: Bytes) -> ImageHeader:
    """Read the size, and the orientation where an eXIf chunk comes before the picture."""
    width, height = struct.unpack_from(">II", encoded, 16)
    if encoded[12:16] != b"IHDR":
        raise BadHeaderError(f"begins with a chunk {bytes(encoded[12:16])!r} where its header must be; it is damaged")
    position, orientation = _START_BYTES, 1
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(encoded):
            break
        length = struct.unpack_from(">I", encoded, position)[0]
        name = bytes(encoded[position + 4 : position + 8])
        if name in (b"IDAT", b"IEND"):
            break
        if name == b"eXIf":
            orientation = exif_orientation(encoded[position + 8 : position + 8 + length])
        position += 12 + length
    return ImageHeader("PNG", width, height, orientation, min(position, len(encoded)))


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Keep the chunks that the picture needs, each as long as it says."""
    bits = encoded[24] * _CHANNELS.get(encoded[25], 4)
    work = header.pixels * (2 + bits // 16)
    if header.data_start == _PLAIN_START and encoded.endswith(_END):
        length = int.from_bytes(encoded[_PLAIN_START : _PLAIN_START + 4], "big")
        if _PLAIN_START + 12 + length + len(_END) == len(encoded):
            # Small images are one chunk between header and end.
            return ImageBody(encoded, work)
    kept: list[tuple[int, int]] = []
    end = _START_BYTES
    for name, start, end in chunks(encoded):
        if name not in _NEEDED:
            continue
        if name == b"IHDR" and end - start != _HEADER_BYTES + 12:
            raise BadBodyError("has a header of another length than 13 bytes; the file is damaged")
        if kept and kept[-1][1] == start:
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((start, end))
    if len(kept) == 1 and kept[0] == (_START_BYTES, len(encoded)):
        return ImageBody(encoded, work)
    return ImageBody(encoded[:_START_BYTES] + b"".join(encoded[start:end] for start, end in kept), work)


def chunks(encoded: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk, up to IEND. Bytes behind it are allowed: download tools leave them."""
    position = _START_BYTES
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(encoded):
            raise cut_off(encoded)
        length = struct.unpack_from(">I", encoded, position)[0]
        name = encoded[position + 4 : position + 8]
        if not name.isalpha():
            raise BadBodyError(f"has no chunk at byte {position}, where one must be; the file is damaged")
        end = position + 12 + length
        if end > len(encoded):
            raise cut_off(encoded, f"a chunk {name.decode('ascii')} of {length} bytes at byte {position}")
        yield name, position, end
        if name == b"IEND":
            return
        position = end
    raise BadBodyError(f"has more than {MAX_CHUNKS} chunks; save it again")
