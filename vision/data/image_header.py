"""What the first bytes of an encoded image say: format, size, orientation. Nothing is decoded.

Every offset is checked before it is used and every loop moves forward, so that no bytes can crash or hang it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from vision.data.tiff_tags import ORIENTATION, TIFF_HEIGHT, TIFF_WIDTH, read_tiff_tags

Bytes = bytes | memoryview

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8\xff", b"\xff\xd9", 0xDA
# Start-of-frame markers; between them DHT (C4), JPG (C8) and DAC (CC) are something else.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_FRAMES = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_PNG_START = b"\x89PNG\r\n\x1a\n"


class BadHeaderError(ValueError):
    """What is wrong with the header; whoever knows the image's key makes a DataError of it."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """``width`` and ``height`` in pixels as stored; ``orientation`` 1..8 is EXIF's, which turns them upright.

    ``data_start`` is the byte offset of the pixel data where the format has one (JPEG: behind the first scan
    header), else 0.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    data_start: int = 0
    progressive: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) after turning; orientations 5 to 8 exchange the two."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(encoded: Bytes) -> ImageHeader | None:
    """Header of a JPEG, PNG, GIF, WebP, BMP or TIFF file, None for anything else.

    Raises BadHeaderError if the header is damaged.
    """
    reader = _reader_for(bytes(encoded[:12]))
    if reader is None:
        return None
    try:
        header = reader(encoded)
    except (struct.error, IndexError):
        raise BadHeaderError("ends inside its header; the file is cut off") from None
    if header.width <= 0 or header.height <= 0:
        raise BadHeaderError(f"declares a size of {header.width}x{header.height} pixels")
    return header


def is_complete(encoded: Bytes, header: ImageHeader) -> bool:
    """Whether the file reaches its end marker (JPEG, PNG) or length (WebP); other formats do not say.

    Bytes behind the end are allowed: cameras and download tools leave them.
    """
    if header.format == "JPEG":
        # A thumbnail inside the header has an end marker too: only one behind the scan header counts.
        return encoded[-2:] == _JPEG_END or _JPEG_END in bytes(encoded[header.data_start :])
    if header.format == "PNG":
        return encoded[-8:-4] == b"IEND" or b"IEND" in bytes(encoded[header.data_start :])
    if header.format == "WebP":
        return int(struct.unpack_from("<I", encoded, 4)[0]) + 8 <= len(encoded)
    return True


def _reader_for(start: bytes) -> Callable[[Bytes], ImageHeader] | None:
    if start.startswith(_JPEG_START):
        return _read_jpeg
    if start.startswith(_PNG_START):
        return _read_png
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return _read_gif
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _read_webp
    if start[:4] in (b"II*\0", b"MM\0*"):
        return _read_tiff
    # "BM" alone could begin a text; the two reserved words behind the length are zero.
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return _read_bmp
    return None


def _read_jpeg(encoded: Bytes) -> ImageHeader:
    position, end = 2, len(encoded)
    width = height = 0
    orientation, progressive = 1, False
    while position + 4 <= end:
        if encoded[position] != 0xFF:
            raise BadHeaderError(f"has no marker at byte {position}, where one must be; the file is damaged")
        marker = encoded[position + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        length = (encoded[position + 2] << 8) | encoded[position + 3]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", encoded, position + 5)
            progressive = marker in _PROGRESSIVE_FRAMES
        elif marker == _JPEG_SCAN:
            if not width:
                break
            return ImageHeader("JPEG", width, height, orientation, position + 2 + length, progressive)
        elif marker == 0xE1 and orientation == 1 and encoded[position + 4 : position + 10] == b"Exif\0\0":
            orientation = _orientation(encoded[position + 10 : position + 2 + length])
        position += 2 + max(length, 2)
    raise BadHeaderError("ends before any picture data; the file is cut off or damaged")


def _read_png(encoded: Bytes) -> ImageHeader:
    width, height = struct.unpack_from(">II", encoded, 16)
    position, orientation = 8, 1
    while position + 12 <= len(encoded):
        length = struct.unpack_from(">I", encoded, position)[0]
        name = bytes(encoded[position + 4 : position + 8])
        if name in (b"IDAT", b"IEND"):
            break
        if name == b"eXIf":
            orientation = _orientation(encoded[position + 8 : position + 8 + length])
        position += 12 + length
    return ImageHeader("PNG", width, height, orientation, min(position, len(encoded)))


def _read_gif(encoded: Bytes) -> ImageHeader:
    return ImageHeader("GIF", *struct.unpack_from("<HH", encoded, 6))


def _read_bmp(encoded: Bytes) -> ImageHeader:
    if struct.unpack_from("<I", encoded, 14)[0] == 12:
        return ImageHeader("BMP", *struct.unpack_from("<HH", encoded, 18))
    width, height = struct.unpack_from("<ii", encoded, 18)
    # A negative height means rows from top to bottom.
    return ImageHeader("BMP", width, abs(height))


def _read_webp(encoded: Bytes) -> ImageHeader:
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
    position, orientation = 12, 1
    while position + 8 <= len(encoded):
        length = struct.unpack_from("<I", encoded, position + 4)[0]
        if encoded[position : position + 4] == b"EXIF":
            body = encoded[position + 8 : position + 8 + length]
            orientation = _orientation(body[6:] if body[:6] == b"Exif\0\0" else body)
            break
        position += 8 + length + length % 2
    return ImageHeader("WebP", width, height, orientation)


def _read_tiff(encoded: Bytes) -> ImageHeader:
    tags = read_tiff_tags(encoded)
    orientation = tags.get(ORIENTATION, 1)
    return ImageHeader(
        "TIFF", tags.get(TIFF_WIDTH, 0), tags.get(TIFF_HEIGHT, 0), orientation if 1 <= orientation <= 8 else 1
    )


def _orientation(exif: Bytes) -> int:
    """Damaged EXIF data says nothing about the picture, which is then taken as upright."""
    try:
        orientation = read_tiff_tags(exif).get(ORIENTATION, 1)
    except (struct.error, IndexError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1
