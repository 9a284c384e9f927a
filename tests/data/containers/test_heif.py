"""AVIF by Pillow's encoder against Pillow's reading; HEIC by x265 (tests/fixtures/heic), turned by hand."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from vision.data.image_codec import decode_rgb, image_size
from vision.data.image_header import read_header
from vision.settings.errors import DataError

HEIC = (Path(__file__).parents[2] / "fixtures" / "heic" / "gradient.heic").read_bytes()
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


def turned(kind: bytes, value: int) -> bytes:
    """The HEIC with its color box made an irot or imir box, which applies last."""
    changed = bytearray(HEIC)
    place = changed.index(b"colr")
    changed[place : place + 5] = kind + bytes([value])
    return bytes(changed.replace(b"\x81\x02\x03\x05\x84", b"\x81\x03\x05\x84\x82"))


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_upright_once(orientation: int) -> None:
    encoded = avif(orientation)
    image = decode_rgb(encoded, "a.avif")
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")
    np.testing.assert_array_equal(image, np.asarray(expected))
    assert image_size(encoded, "a.avif") == expected.size


@pytest.mark.parametrize(
    ("kind", "value", "orientation", "upright"),
    [
        (b"irot", 0, 1, gradient()),
        (b"irot", 1, 8, np.rot90(gradient(), 1)),
        (b"irot", 2, 3, np.rot90(gradient(), 2)),
        (b"irot", 3, 6, np.rot90(gradient(), 3)),
        (b"imir", 0, 4, gradient()[::-1]),
        (b"imir", 1, 2, gradient()[:, ::-1]),
    ],
    ids=["0", "90", "180", "270", "top-bottom", "left-right"],
)
def test_heic_is_turned_upright_once(kind: bytes, value: int, orientation: int, upright: np.ndarray) -> None:
    encoded = turned(kind, value)
    header = read_header(encoded)
    assert header is not None
    assert (header.format, header.orientation) == ("HEIC", orientation)
    assert image_size(encoded, "a.heic") == upright.shape[1::-1]
    pytest.importorskip("pi_heif")
    assert np.abs(decode_rgb(encoded, "a.heic").astype(int) - upright).mean() < 2


def test_without_its_library_a_heic_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    with pytest.raises(DataError, match=r"a\.heic: an HEIC image: pip install 'vision\[heif\]' to have them read, or"):
        decode_rgb(HEIC, "a.heic")


def test_lengths_and_sizes_are_bounded() -> None:
    place = HEIC.index(b"mdat")
    long = HEIC[: place - 4] + struct.pack(">I", 1 << 30) + HEIC[place:]
    place = HEIC.index(b"ispe")
    large = HEIC[: place + 8] + struct.pack(">II", 1 << 14, 1 << 14) + HEIC[place + 16 :]
    for encoded, sentence in (
        (long, r"is cut off after 870 bytes, inside a box b'mdat'"),
        (HEIC[:-100], "is cut off after 770 bytes, inside a box b'mdat'"),
        (large, "holds an item of 16384x16384 pixels, larger than the picture"),
    ):
        with pytest.raises(DataError, match=sentence):
            decode_rgb(encoded, "a.heic")
