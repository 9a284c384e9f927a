"""Headers written by hand, byte by byte, from the formats' specifications."""

from __future__ import annotations

import struct

import pytest

from vision.data.containers.image_parts import BadBodyError, BadHeaderError, ImageHeader
from vision.data.image_header import read_body, read_header


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def frame(marker: int, width: int, height: int) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIHHHIHxxI", 42, 8, 1, 274, 3, 1, orientation, 0)


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
START, END = b"\xff\xd8", b"\xff\xd9"
TAIL = SCAN + b"\x12\x34" + END
PNG_START = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + b"\0\0\0\0"


PNG_HEAD = PNG_START + chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 8, 2, 0, 0, 0))
PNG_TAIL = chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


GIF_TAIL = b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + struct.pack("<HHHH", 0, 0, 7, 5) + b"\0\x02\0;"


def bmp(size: bytes) -> bytes:
    """Rows of 24 bits, or 8 with the short header, where the data begins at byte 0 for want of a palette."""
    return b"BM" + bytes(12) + size + struct.pack("<HHI", 1, 8, 0) + bytes(200)


VP8X = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + b"\x2b\x01\0" + b"\xc7\0\0"
LOSSLESS = b"VP8L" + struct.pack("<I", 6) + b"\x2f" + struct.pack("<I", 299 | 199 << 14) + b"\0"
LOSSY = b"VP8 " + struct.pack("<I", 10) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 300, 200)

HEADERS = {
    "baseline": (START + frame(0xC0, 7, 5) + TAIL, ("JPEG", 7, 5, 1)),
    "progressive": (START + frame(0xC2, 7, 5) + TAIL, ("JPEG", 7, 5, 1)),
    "fill bytes": (START + b"\xff\xff" + frame(0xC0, 7, 5) + TAIL, ("JPEG", 7, 5, 1)),
    "huffman table first": (START + segment(0xC4, b"\0" * 40) + frame(0xC0, 7, 5) + TAIL, ("JPEG", 7, 5, 1)),
    "exif, little-endian": (
        START + segment(0xE1, b"Exif\0\0" + exif(6)) + frame(0xC0, 7, 5) + TAIL,
        ("JPEG", 7, 5, 6),
    ),
    "exif, big-endian": (
        START + segment(0xE1, b"Exif\0\0" + exif(8, ">")) + frame(0xC0, 7, 5) + TAIL,
        ("JPEG", 7, 5, 8),
    ),
    "exif of orientation 9": (
        START + segment(0xE1, b"Exif\0\0" + exif(9)) + frame(0xC0, 7, 5) + TAIL,
        ("JPEG", 7, 5, 1),
    ),
    "exif cut off": (
        START + segment(0xE1, b"Exif\0\0" + exif(6)[:12]) + frame(0xC0, 7, 5) + TAIL,
        ("JPEG", 7, 5, 1),
    ),
    "png": (PNG_HEAD + PNG_TAIL, ("PNG", 7, 5, 1)),
    "png with exif": (PNG_HEAD + chunk(b"eXIf", exif(3)) + PNG_TAIL, ("PNG", 7, 5, 3)),
    "gif": (b"GIF89a" + struct.pack("<HH", 7, 5) + b"\0\0\0" + GIF_TAIL, ("GIF", 7, 5, 1)),
    "bmp": (bmp(struct.pack("<Iii", 40, 7, 5)), ("BMP", 7, 5, 1)),
    "bmp from top to bottom": (bmp(struct.pack("<Iii", 40, 7, -5)), ("BMP", 7, 5, 1)),
    "bmp of OS/2": (bmp(struct.pack("<IHH", 12, 7, 5)), ("BMP", 7, 5, 1)),
    "webp, extended": (riff(VP8X + b"EXIF" + struct.pack("<I", 26) + exif(5)), ("WebP", 300, 200, 5)),
    "webp, lossless": (riff(LOSSLESS), ("WebP", 300, 200, 1)),
    "webp, lossy": (riff(LOSSY), ("WebP", 300, 200, 1)),
    "tiff": (
        b"MM\0*" + struct.pack(">IHHHIIHHIHxx", 8, 2, 256, 4, 1, 7, 257, 3, 1, 5),
        ("TIFF", 7, 5, 1),
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    encoded, (kind, width, height, orientation) = HEADERS[name]
    for container in (encoded, memoryview(encoded)):
        header = read_header(container)
        assert header is not None
        assert (header.format, header.width, header.height, header.orientation) == (
            kind,
            width,
            height,
            orientation,
        )
    header = read_header(encoded)
    assert header is not None
    assert read_body(encoded, header).encoded


@pytest.mark.parametrize(("orientation", "size"), [(1, (7, 5)), (4, (7, 5)), (5, (5, 7)), (8, (5, 7))])
def test_upright_size(orientation: int, size: tuple[int, int]) -> None:
    assert ImageHeader("JPEG", 7, 5, orientation).upright_size == size


@pytest.mark.parametrize("data", [b"", b"\xff", b"BMW is a car", b"RIFF\0\0\0\0AVI ", b"II+\0\x08\0\0\0"])
def test_other_bytes_have_no_header(data: bytes) -> None:
    assert read_header(data) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (START + b"\xff\xe0\0", "ends before any picture data"),
        (START + frame(0xC0, 7, 5) + END, "ends before any picture data"),
        (START + segment(0xC4, b"\0" * 9) + TAIL, "ends before any picture data"),
        (START + frame(0xC0, 0, 5) + TAIL, "ends before any picture data"),
        (START + segment(0xE0, b"JFIF") + b"\x00\x01\x02\x03", "ends before any picture data"),
        (PNG_START + b"\0\0\0\rIHDR\0\0", "ends inside its header"),
        (PNG_START + chunk(b"IDAT", bytes(13)), "begins with a chunk b'IDAT'"),
        (PNG_START + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)), "declares a size of 0x5"),
        (riff(b"ALPH" + bytes(30)), "holds a chunk b'ALPH'"),
        (b"GIF89a\0", "ends inside its header"),
        (b"MM\0*" + struct.pack(">IH", 8, 0), "declares a size of 0x0"),
        (b"II*\0" + struct.pack("<I", 1 << 30), "ends inside its header"),
    ],
)
def test_damaged_headers(data: bytes, sentence: str) -> None:
    with pytest.raises(BadHeaderError, match=sentence):
        read_header(data)


@pytest.mark.parametrize(
    ("name", "cut"),
    [("baseline", 2), ("baseline", 1), ("png", 12), ("webp, lossless", 1), ("webp, extended", 3)],
)
def test_files_cut_at_their_end_are_incomplete(name: str, cut: int) -> None:
    encoded = HEADERS[name][0]
    header = read_header(encoded)
    assert header is not None
    assert read_body(encoded + b"more", header).encoded
    with pytest.raises(BadBodyError, match="is cut off after"):
        read_body(encoded[:-cut], header)


def raw(*entries: tuple[int, int, int], maker: bytes = b"") -> bytes:
    """A TIFF of 160x120 with more entries (tag, type, value); ``maker`` lies behind its directory."""
    found = sorted([(256, 4, 160), (257, 4, 120), *entries])
    start = 8 + 2 + 12 * (len(found) + bool(maker)) + 4
    lines = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in found]
    if maker:
        lines.append(struct.pack("<HHII", 271, 2, len(maker), start))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(lines)) + b"".join(lines) + bytes(4) + maker


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "a Canon CR2 raw image"),
        (raw((50706, 1, 1)), "a DNG raw image"),
        (raw((254, 4, 1), (330, 4, 999), maker=b"NIKON CORPORATION\0"), "a Nikon NEF raw image"),
        (raw((254, 4, 1), (330, 4, 999), maker=b"SONY\0\0"), "a Sony ARW raw image"),
        (raw((254, 4, 1), (330, 4, 999)), "a camera's raw image"),
    ],
)
def test_raw_images_are_not_taken_for_their_previews(data: bytes, name: str) -> None:
    with pytest.raises(BadHeaderError, match=f"is {name}; develop it and save it as JPEG or PNG"):
        read_header(data)
