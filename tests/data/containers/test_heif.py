"""AVIF by Pillow's encoder against Pillow's reading; HEIC by x265 (tests/fixtures/heic), turned by hand."""

from __future__ import annotations

import io
import os
import signal
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from vision.data import heic_decoder
from vision.data.image_codec import decode_rgb, image_size
from vision.data.image_header import read_header
from vision.data.readers.file_table import foreign_images_problem, is_image_name
from vision.settings.errors import DataError

HEIC = (Path(__file__).parents[2] / "fixtures" / "heic" / "gradient.heic").read_bytes()
needs_heif = pytest.mark.skipif(not heic_decoder.can_decode(), reason="the extra heif is not installed")
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


def turned(kind: bytes, value: int) -> bytes:
    """The HEIC with its color box made an irot or imir box, which applies last."""
    changed = bytearray(HEIC)
    place = changed.index(b"colr")
    changed[place : place + 5] = kind + bytes([value])
    return bytes(changed.replace(b"\x81\x02\x03\x05\x84", b"\x81\x03\x05\x84\x82"))


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
@needs_heif
def test_heic_is_turned_upright_once(kind: bytes, value: int, orientation: int, upright: np.ndarray) -> None:
    encoded = turned(kind, value)
    header = read_header(encoded)
    assert header is not None
    assert (header.format, header.orientation) == ("HEIC", orientation)
    assert image_size(encoded, "a.heic") == upright.shape[1::-1]
    assert np.abs(decode_rgb(encoded, "a.heic").astype(int) - upright).mean() < 2


def test_without_its_library_a_heic_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("image_codec", "readers.file_table"):
        monkeypatch.setattr(f"vision.data.{module}.can_decode", lambda: False)
    with pytest.raises(DataError, match=r"a\.heic: an HEIC image: pip install 'vision\[heif\]' to have them read, or"):
        decode_rgb(HEIC, "a.heic")
    assert not is_image_name("b/1.HEIC")
    problem = foreign_images_problem(["b/1.HEIC", "b/2.jpg"])
    assert problem is not None and "cannot be read (1 HEIC; first 'b/1.HEIC'); pip install 'vision[heif]'" in problem


@needs_heif
def test_an_ended_decoder_costs_one_image_and_no_more() -> None:
    decode_rgb(HEIC, "a.heic")
    first = heic_decoder._IDLE[-1]._process
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(DataError, match=r"the HEIC image \(60x40\) is damaged"):
        decode_rgb(HEIC, "a.heic")
    assert first.poll() is not None
    decode_rgb(HEIC, "a.heic")


@needs_heif
def test_threads_and_forked_processes_have_decoders_of_their_own() -> None:
    expected = decode_rgb(HEIC, "a.heic")
    with ThreadPoolExecutor(4) as pool:
        for image in pool.map(lambda _: decode_rgb(HEIC, "a.heic"), range(16)):
            np.testing.assert_array_equal(image, expected)
    child = os.fork()
    if child == 0:
        os._exit(0 if not heic_decoder._IDLE and np.array_equal(decode_rgb(HEIC, "a.heic"), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(decode_rgb(HEIC, "a.heic"), expected)


@needs_heif
def test_lengths_and_sizes_of_heic_are_bounded() -> None:
    place = HEIC.index(b"mdat")
    long = HEIC[: place - 4] + struct.pack(">I", 1 << 30) + HEIC[place:]
    place = HEIC.index(b"ispe")
    large = HEIC[: place + 8] + struct.pack(">II", 1 << 14, 1 << 14) + HEIC[place + 16 :]
    for encoded, sentence in (
        (long, r"is cut off after 870 bytes, inside a box b'mdat'"),
        (HEIC[:-100], "is cut off after 770 bytes, inside a box b'mdat'"),
        (large, "holds an item of 16384x16384 pixels, larger than the picture|has 268435456 pixels"),
    ):
        with pytest.raises(DataError, match=sentence):
            decode_rgb(encoded, "a.heic")


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
