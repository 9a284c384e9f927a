"""Small files that once cost gigabytes or half a minute: refused, or robbed of what costs, before a decoder runs."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vision.data.containers.image_parts import BadBodyError, ImageBody
from vision.data.image_codec import decode_rgb
from vision.data.image_header import read_body, read_header


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(extra: bytes = b"") -> bytes:
    """64x64, black, with more chunks before the picture."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(bytes(64 * 193))) + chunk(b"IEND", b"")


def lying(encoded: bytes, name: bytes) -> bytes:
    """The PNG in which a chunk says that it has almost 4 GB."""
    place = encoded.index(name) - 4
    return encoded[:place] + b"\xff\xff\xff\xf0" + encoded[place + 4 :]


def tiff(**changes: int) -> bytes:
    """64x64 RGB in one strip, with other numbers in tags such as ``tag277``."""
    numbers = {256: 64, 257: 64, 258: 8, 259: 1, 262: 2, 273: 400, 277: 3, 278: 64, 279: 64 * 64 * 3}
    numbers |= {int(name.removeprefix("tag")): value for name, value in changes.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(numbers.items()))
    start = b"II*\0\x08\0\0\0" + struct.pack("<H", len(numbers)) + entries
    return start.ljust(400, b"\0") + bytes(64 * 64 * 3)


def body_of(encoded: bytes) -> ImageBody:
    header = read_header(encoded)
    assert header is not None
    return read_body(encoded, header)


TEXT = zlib.compress(bytes(7_900_000), 9)
WEBP = io.BytesIO()
Image.new("RGB", (8, 8)).save(WEBP, "WEBP")
REFUSED = {
    "IDAT of 4 GB": (lying(png(), b"IDAT"), "inside a chunk IDAT of 4294967280 bytes at byte 33"),
    "tEXt of 4 GB": (lying(png(chunk(b"tEXt", b"a\0b")), b"tEXt"), "inside a chunk tEXt of 4294967280 bytes"),
    "100,000 empty chunks": (png(chunk(b"teSt", b"") * 100_000), "has more than 100000 chunks"),
    "no chunk": (png(b"\0\0\0\0\0\0\0\0\0\0\0\0"), "has no chunk at byte 33"),
    "WebP of 2 GB": (WEBP.getvalue()[:4] + b"\xff\xff\xff\x7f" + WEBP.getvalue()[8:], "is cut off after"),
    "65,535 channels": (tiff(tag277=65535), "has 65535 channels of 8 bits"),
    "tile of 3 GB": (tiff(tag322=32768, tag323=32768), "has 1 tiles of 32768x32768 pixels"),
    "4,063 tiles of 16 MB": (tiff(tag256=65000, tag257=1, tag322=16, tag323=1 << 20), "has 4063 tiles of 16x1048576"),
    "GIF of comments": (b"GIF89a\x08\0\x08\0\0\0\0" + b"\x21\xfe\x01a\0" * 70_000, "behind thousands of other blocks"),
    "GIF larger than its screen": (
        b"GIF89a\x08\0\x08\0\0\0\0" + b"\x2c" + struct.pack("<HHHH", 0, 0, 60000, 60000) + b"\0\2\0;",
        "its picture of 60000x60000 pixels is larger than the image",
    ),
    "BMP without its rows": (
        b"BM" + struct.pack("<IIIIiiHHI", 99, 0, 54, 40, 7000, 7000, 1, 24, 0) + bytes(99),
        "is cut off after",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_not_believed(name: str) -> None:
    encoded, sentence = REFUSED[name]
    with pytest.raises(BadBodyError, match=sentence):
        body_of(encoded)


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP"])
def test_compressed_texts_of_a_png_never_reach_the_decoder(kind: str) -> None:
    start = b"key\0\1\0\0\0" if kind == "iTXt" else b"key\0\0"
    encoded = png(chunk(kind.encode(), start + TEXT) * 500)
    assert body_of(encoded).encoded == png()
    np.testing.assert_array_equal(decode_rgb(encoded, "a.png"), np.zeros((64, 64, 3), np.uint8))


def test_comments_of_a_gif_never_reach_the_decoder() -> None:
    """Pillow gathers a comment block by block, and copies all of it each time."""
    buffer = io.BytesIO()
    Image.new("P", (8, 8), 1).save(buffer, "GIF", transparency=1)
    plain = buffer.getvalue()
    place = plain.index(b"\x21\xf9")
    comment = b"\x21\xfe" + (b"\xff" + b"a" * 255) * 20_000 + b"\0"
    for at in (place, place + 8):
        assert body_of(plain[:at] + comment + plain[at:]).encoded == plain
    assert body_of(plain).encoded == plain


def test_a_strip_longer_than_the_file_is_shortened_to_it() -> None:
    body = body_of(tiff(tag279=0xFFFFFFF0))
    assert body.encoded == tiff(tag279=64 * 64 * 3)


def test_a_tag_whose_values_are_not_there_has_none() -> None:
    encoded = bytearray(tiff(tag305=0))
    place = encoded.index(struct.pack("<HHI", 305, 4, 1))
    encoded[place : place + 12] = struct.pack("<HHII", 305, 2, 0x7FFFFFFF, 8)
    changed = bytes(body_of(bytes(encoded)).encoded)
    assert changed[place : place + 8] == struct.pack("<HHI", 305, 2, 0)
