"""AVIF by Pillow's encoder against Pillow's reading."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from vision.data.image_codec import decode_rgb, image_size
from vision.settings.errors import DataError

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")


def gradient() -> np.ndarray:
    """uint8 [40, 60, 3]: red grows to the right, green downwards, blue along the diagonal."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([x * 255 // 59, y * 255 // 39, (x + y) * 255 // 98], -1).astype(np.uint8)


def avif(orientation: int = 1) -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    Image.fromarray(gradient()).save(buffer, "AVIF", exif=exif, quality=90)
    return buffer.getvalue()


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_upright_once(orientation: int) -> None:
    encoded = avif(orientation)
    image = decode_rgb(encoded, "a.avif")
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")
    np.testing.assert_array_equal(image, np.asarray(expected))
    assert image_size(encoded, "a.avif") == expected.size


@needs_avif
def test_lengths_and_sizes_are_bounded() -> None:
    encoded = avif()
    place = encoded.index(b"mdat")
    long = encoded[: place - 4] + struct.pack(">I", 1 << 30) + encoded[place:]
    place = encoded.rindex(b"mdat") - 4
    ispe = encoded.index(b"ispe")
    huge = encoded[: ispe + 8] + struct.pack(">II", 60_000, 60_000) + encoded[ispe + 16 :]
    for changed, sentence in (
        (long, rf"is cut off after {len(encoded)} bytes, inside a box b'mdat'"),
        (encoded[:-9], rf"is cut off after {len(encoded) - 9} bytes, inside a box b'mdat'"),
        (encoded[: place - 20], "is cut off|not one|ends|damaged"),
        (huge, "has 3600000000 pixels, more than"),
    ):
        with pytest.raises(DataError, match=sentence):
            decode_rgb(changed, "a.avif")


def box(name: str, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name.encode() + content


@pytest.mark.parametrize("name", ["ipma", "iloc"])
def test_lists_of_items_are_not_read_thousands_of_times(name: str) -> None:
    """Each states the most items that there may be, and would be read on through all that follows it."""
    properties = box("ipma", bytes(4) + struct.pack(">I", 1 << 14)) * 4000
    places = box("iloc", bytes(6) + struct.pack(">H", 1 << 14)) * 4000
    if name == "ipma":
        places = b""
    else:
        properties = box("ipma", bytes(4) + struct.pack(">IHBB", 1, 1, 1, 1))
    size = box("ispe", bytes(4) + struct.pack(">II", 64, 64))
    inside = box("pitm", bytes(5) + b"\x01") + box("iprp", box("ipco", size) + properties) + places
    encoded = box("ftyp", b"avif" + bytes(4) + b"mif1") + box("meta", bytes(4) + inside + box("free", bytes(60_000)))
    with pytest.raises(DataError, match="has 4000 lists of its items"):
        decode_rgb(encoded, "a.avif")
