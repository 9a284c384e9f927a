"""Mask files of every kind, written by Pillow, against the values that Pillow reads."""

from __future__ import annotations

import io
import random

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.data.masks.mask_png import class_colors, read_mask, write_mask
from vision.settings.errors import DataError

IDS = (np.arange(35 * 21).reshape(21, 35) % 7).astype(np.uint8)


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def palette_image(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids, "L")
    image.putpalette([200 - 3 * index % 200 for index in range(768)])
    return image


@pytest.mark.parametrize(("bits", "classes"), [(1, 2), (2, 4), (4, 16), (8, 200)])
def test_reads_palette_indices_of_every_bit_depth(bits: int, classes: int) -> None:
    ids = (np.arange(35 * 21).reshape(21, 35) % classes).astype(np.uint8)

    encoded = png(palette_image(ids), bits=bits)

    assert (encoded[24], encoded[25]) == (bits, 3)
    assert np.array_equal(read_mask(encoded, "a.png").pixels, ids)


def test_reads_indices_beside_transparency_and_its_colors() -> None:
    encoded = png(palette_image(IDS), transparency=bytes([0, 10, 200]))

    mask = read_mask(encoded, "a.png")

    assert np.array_equal(mask.pixels, IDS)
    assert mask.palette is not None
    assert mask.palette[:4].tolist() == [
        [200, 197, 194, 0],
        [191, 188, 185, 10],
        [182, 179, 176, 200],
        [173, 170, 167, 255],
    ]


@pytest.mark.parametrize("mode", ["L", "1", "I;16"])
def test_reads_grey_as_pillow_does(mode: str) -> None:
    pixels = {"L": IDS * 30, "1": IDS > 2, "I;16": IDS.astype(np.uint16) * 300}[mode]
    encoded = png(Image.fromarray(pixels))

    assert np.array_equal(read_mask(encoded, "a.png").pixels, np.asarray(Image.open(io.BytesIO(encoded))))


def test_reads_colors_with_and_without_alpha() -> None:
    rgba = np.stack([IDS, IDS + 1, IDS + 2, IDS + 200], axis=2)

    assert np.array_equal(read_mask(png(Image.fromarray(rgba, "RGBA")), "a").pixels, rgba)
    assert np.array_equal(read_mask(png(Image.fromarray(rgba[..., :3], "RGB")), "a").pixels, rgba[..., :3])


@pytest.mark.parametrize(("kind", "reason"), [("JPEG", "whose compression changes values"), ("BMP", "is a BMP image")])
def test_refuses_other_formats(kind: str, reason: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(IDS).save(buffer, kind)

    with pytest.raises(DataError, match=reason):
        read_mask(buffer.getvalue(), "a.png")


def test_refuses_a_file_cut_off_and_text() -> None:
    encoded = png(palette_image(IDS))

    with pytest.raises(DataError, match="is cut off after"):
        read_mask(encoded[:-20], "a.png")
    with pytest.raises(DataError, match="not an image but text"):
        read_mask(b"class 1", "a.png")


def test_damaged_pixels_are_refused() -> None:
    encoded = png(palette_image(IDS))
    start = encoded.index(b"IDAT") + 4
    for position in range(start, len(encoded) - 12):
        damaged = bytearray(encoded)
        damaged[position] ^= 1
        with pytest.raises(DataError, match=r"is damaged|is cut off"):
            read_mask(bytes(damaged), "a.png")


def test_damage_anywhere_gives_a_mask_or_a_sentence() -> None:
    encoded = png(palette_image(IDS), transparency=bytes([0, 10, 200]))
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(encoded)
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            mask = read_mask(bytes(damaged), "a.png")
        except DataError:
            continue
        assert mask.pixels.dtype in (np.uint8, np.uint16)


def test_written_masks_keep_their_ids_and_show_colors() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)

    encoded = write_mask(ids, np.array([[1, 2, 3], [4, 5, 6]], np.uint8))

    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded))), ids)
    shown = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown[0, :3].tolist() == [[1, 2, 3], [4, 5, 6], [0, 128, 0]]


def test_default_colors_are_those_of_voc() -> None:
    assert class_colors(9).tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128],
        [128, 0, 128], [0, 128, 128], [128, 128, 128], [64, 0, 0],
    ]  # fmt: skip
    assert class_colors(256)[[20, 255]].tolist() == [[0, 64, 128], [224, 224, 192]]
    assert len({tuple(color) for color in class_colors(256).tolist()}) == 256
