"""What an encoded image says of itself: format, size, orientation, and whether its parts are there.

Nothing is decoded. Every offset is checked before it is used and every loop is bounded, so that no bytes can crash or
hang it. Each format is read by a file of its own in ``containers``.
"""

from __future__ import annotations

import struct
from types import ModuleType

from vision.data.containers import bmp, gif, heif, jpeg, png, tiff, webp
from vision.data.containers.image_parts import BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_BODIES = {
    "JPEG": jpeg.read_body,
    "PNG": png.read_body,
    "GIF": gif.read_body,
    "WebP": webp.read_body,
    "BMP": bmp.read_body,
    "TIFF": tiff.read_body,
    "AVIF": heif.read_body,
    "HEIC": heif.read_body,
}


def read_header(encoded: Bytes) -> ImageHeader | None:
    """Return the header of a JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF or HEIC file, None for anything else.

    Raises BadHeaderError if the header is damaged.
    """
    container = _container_of(bytes(encoded[:64]))
    if container is None:
        return None
    try:
        header: ImageHeader = container.read_header(encoded)
    except (struct.error, IndexError):
        raise BadHeaderError("ends inside its header; the file is cut off") from None
    if header.width <= 0 or header.height <= 0:
        raise BadHeaderError(f"declares a size of {header.width}x{header.height} pixels")
    return header


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Return what of a file a decoder may be given. Raises BadBodyError if it is cut off or asks for too much.

    Bytes behind the end are allowed. A picture damaged in its middle is not found.
    """
    try:
        return _BODIES[header.format](encoded, header)
    except (struct.error, IndexError):
        raise cut_off(encoded) from None


def _container_of(start: bytes) -> ModuleType | None:
    if start.startswith(_JPEG_START):
        return jpeg
    if start.startswith(_PNG_START):
        return png
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return gif
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return webp
    if start[:4] in (b"II*\0", b"MM\0*"):
        return tiff
    # "BM" alone could begin a text; the two reserved words behind the length are zero.
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return bmp
    if heif.format_of(start) is not None:
        return heif
    return None
