"""Real images of every kind, written by Pillow (16-bit RGB by OpenCV), against Pillow's own reading."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from vision.data.containers.jpeg import MAX_SCANS
from vision.data.image_codec import decode_rgb, image_size
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mxnet"
WIDTH, HEIGHT = 60, 40


def gradient() -> np.ndarray:
    """uint8 [40, 60, 3]: red grows to the right, green downwards, blue along the diagonal."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 255 // 59, y * 255 // 39, (x + y) * 255 // 98], -1).astype(np.uint8)


RGB = Image.fromarray(gradient())


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.fromarray(gradient()[..., 0]))
    return image


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_16_bit(pixels: np.ndarray) -> bytes:
    """PNG of uint16 [H, W] or [H, W, 3] RGB."""
    return cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1].tobytes()


def with_orientation(kind: str, orientation: int) -> bytes:
    if kind == "TIFF":
        return encode(RGB, kind, tiffinfo={274: orientation})
    exif = Image.Exif()
    exif[274] = orientation
    return encode(RGB, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))


def without_adobe_segment(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


def ycck() -> bytes:
    """A JPEG whose Adobe segment calls its four channels YCCK."""
    jpeg = bytearray(encode(RGB.convert("CMYK"), "JPEG", quality=100))
    jpeg[jpeg.index(b"Adobe") + 11] = 2
    return bytes(jpeg)


def behind_xmp() -> bytes:
    """An EXIF segment that is not the first APP1 segment, as photo editors write it."""
    jpeg = with_orientation("JPEG", 6)
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + jpeg[2:]


def between_segments(extra: bytes) -> bytes:
    jpeg = encode(RGB, "JPEG")
    place = jpeg.index(b"\xff\xdb")
    return jpeg[:place] + extra + jpeg[place:]


def compressed_text() -> PngInfo:
    text = PngInfo()
    text.add_text("Comment", "gradient " * 50, zip=True)
    return text


def encode_interlaced() -> bytes:
    """PNG of Adam7's seven passes, written by hand."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [gradient()[top::down, left::right] for top, left, down, right in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


KINDS = {
    "JPEG": encode(RGB, "JPEG"),
    "progressive JPEG": encode(RGB, "JPEG", progressive=True),
    "grey JPEG": encode(RGB.convert("L"), "JPEG"),
    "CMYK JPEG, inverted by Adobe": encode(RGB.convert("CMYK"), "JPEG"),
    "CMYK JPEG without Adobe": without_adobe_segment(encode(RGB.convert("CMYK"), "JPEG")),
    "YCCK JPEG": ycck(),
    "bytes behind the end of a JPEG": encode(RGB, "JPEG") + b"trailer" * 9,
    "PNG": encode(RGB, "PNG"),
    "palette PNG": encode(RGB.convert("P"), "PNG"),
    "palette PNG with a transparent colour": encode(RGB.convert("P"), "PNG", transparency=3),
    "grey PNG": encode(RGB.convert("L"), "PNG"),
    "grey PNG with alpha": encode(with_alpha(RGB.convert("L")), "PNG"),
    "PNG with alpha": encode(with_alpha(RGB), "PNG"),
    "black and white PNG": encode(RGB.convert("1"), "PNG"),
    "animated PNG": encode(RGB, "PNG", save_all=True, append_images=[RGB.transpose(3)]),
    "GIF": encode(RGB, "GIF"),
    "GIF with a transparent colour": encode(RGB.convert("P"), "GIF", transparency=100),
    "animated GIF": encode(RGB, "GIF", save_all=True, append_images=[ImageOps.invert(RGB)]),
    "WebP": encode(RGB, "WEBP"),
    "lossless WebP": encode(RGB, "WEBP", lossless=True),
    "WebP with alpha": encode(with_alpha(RGB), "WEBP", lossless=True, exact=True),
    "BMP": encode(RGB, "BMP"),
    "palette BMP": encode(RGB.convert("P"), "BMP"),
    "TIFF": encode(RGB, "TIFF"),
    "LZW TIFF": encode(RGB, "TIFF", compression="tiff_lzw"),
    "TIFF with alpha": encode(with_alpha(RGB), "TIFF"),
    "LZW TIFF with alpha": encode(with_alpha(RGB), "TIFF", compression="tiff_lzw"),
    "grey TIFF with alpha": encode(with_alpha(RGB.convert("L")), "TIFF"),
    "PNG with compressed text": encode(RGB, "PNG", pnginfo=compressed_text()),
    "bytes between the segments of a JPEG": between_segments(b"\0\1\2\xff\0"),
    "fill bytes between the segments of a JPEG": between_segments(b"\xff" * 40),
    "JPEG of two pictures (MPO)": encode(RGB, "MPO", save_all=True, append_images=[RGB.transpose(3)]),
    "interlaced PNG": encode_interlaced(),
    "CMYK TIFF": encode(RGB.convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [bytes, memoryview])
def test_every_kind_decodes_as_pillow_reads_it(kind: str, container: type) -> None:
    image = decode_rgb(container(KINDS[kind]), "a.img")
    expected = np.asarray(Image.open(io.BytesIO(KINDS[kind])).convert("RGB")).astype(int)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == (HEIGHT, WIDTH, 3)
    # CMYK is a product of two channels, which the two libraries round differently.
    assert np.abs(image - expected).max() <= (1 if "CMYK" in kind or "YCCK" in kind else 0)
    assert image_size(container(KINDS[kind]), "a.img") == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [([[0, 255, 256, 32768, 65535]], [[0, 0, 1, 128, 255]])],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_keep_their_upper_8(pixels: list, expected: list, channels: int) -> None:
    values = np.array(pixels, np.uint16)
    encoded = encode_16_bit(values if channels == 1 else np.stack([values, values * 0, values], -1))
    image = decode_rgb(encoded, "a.png")
    assert image[..., 0].tolist() == expected
    assert image[..., 1].tolist() == (expected if channels == 1 else [[0] * 5])
    assert image[..., 2].tolist() == expected


@pytest.mark.parametrize("bits", [8, 16])
def test_colors_of_a_tiff_do_not_depend_on_how_its_alpha_is_stored(bits: int) -> None:
    alpha = np.broadcast_to(np.arange(WIDTH) * 4 + 10, (HEIGHT, WIDTH))
    plain = np.dstack([gradient(), alpha])
    multiplied = np.dstack([np.round(gradient() * (alpha / 255)[..., None]).astype(np.int64), alpha])
    np.testing.assert_array_equal(decode_rgb(tiff_with_alpha(plain, bits, 2), "a.tiff"), gradient())
    found = decode_rgb(tiff_with_alpha(multiplied, bits, 1), "a.tiff").astype(int)
    assert np.all(np.abs(found - gradient()) <= np.ceil(255 / alpha)[..., None])


def tiff_with_alpha(rgba: np.ndarray, bits: int, extra_sample: int) -> bytes:
    """TIFF of one strip; ``extra_sample`` 1 says that colors are multiplied by alpha, 2 that they are not."""
    data = rgba.astype("<u1").tobytes() if bits == 8 else (rgba * 257).astype("<u2").tobytes()
    start = 8 + 2 + 12 * 10 + 4
    numbers = {256: WIDTH, 257: HEIGHT, 258: start, 259: 1, 262: 2, 273: start + 8, 277: 4, 278: HEIGHT}
    entries = b"".join(
        struct.pack("<HHII", tag, 3 if tag in (258, 338) else 4, 4 if tag == 258 else 1, value)
        for tag, value in (numbers | {279: len(data), 338: extra_sample}).items()
    )
    return b"II*\0\x08\0\0\0\x0a\0" + entries + bytes(4) + struct.pack("<4H", *[bits] * 4) + data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_turned_upright(kind: str, orientation: int) -> None:
    encoded = with_orientation(kind, orientation)
    image = decode_rgb(encoded, "a.img")
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB"))
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous
    assert image_size(encoded, "a.img") == (image.shape[1], image.shape[0])


def test_orientation_counts_behind_another_app1_segment() -> None:
    assert decode_rgb(behind_xmp(), "a.jpg").shape == (WIDTH, HEIGHT, 3)
    assert image_size(behind_xmp(), "a.jpg") == (HEIGHT, WIDTH)


def test_orientation_equals_mxnet_s_record_iterator() -> None:
    record = (FIXTURES / "exif.rec").read_bytes()
    length = struct.unpack_from("<I", record, 4)[0]
    image = decode_rgb(record[8 + 24 : 8 + length], "exif.rec record 0")
    expected = np.load(FIXTURES / "exif_iter_expected_3x40x40_uint8.npy").reshape(3, 40, 40)
    top, left = (image.shape[0] - 40) // 2, (image.shape[1] - 40) // 2
    # MXNet's own JPEG library may round a few levels apart.
    centre = image[top : top + 40, left : left + 40].transpose(2, 0, 1)
    assert np.abs(centre.astype(int) - expected).max() <= 3


def many_scans() -> bytes:
    jpeg = encode(RGB, "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * (MAX_SCANS + 1) + b"\xff\xd9"


def declaring(encoded: bytes, width: int, height: int) -> bytes:
    """The PNG or baseline JPEG with another size in its header."""
    changed = bytearray(encoded)
    if encoded.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", width, height)
    else:
        start = encoded.index(b"\xff\xc0") + 5
        changed[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(changed)


def with_thumbnail_cut_off() -> bytes:
    """A JPEG whose EXIF thumbnail is whole (and has an end marker), while the picture itself is not."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encode(RGB.resize((16, 12)), "JPEG")
    jpeg = encode(RGB, "JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:-200]


JPEG, PNG, GIF, WEBP = KINDS["JPEG"], KINDS["PNG"], KINDS["GIF"], KINDS["WebP"]
BROKEN = {
    "empty": (b"", "not an image but empty (0 bytes); JPEG and PNG are expected"),
    "text": (b"cats, dogs", "not an image but text beginning 'cats, dogs'"),
    "html": (b"<!DOCTYPE html><title>404", "not an image but an HTML page"),
    "video": (b"\0\0\0\x20ftypisom" + b"\0" * 50, "not an image but an MP4 or QuickTime video"),
    "JPEG without its last rows": (JPEG[:-200], "the JPEG image (60x40) is cut off after"),
    "JPEG without its end marker": (JPEG[:-2], "is cut off after"),
    "progressive JPEG cut": (KINDS["progressive JPEG"][:-80], "is cut off after"),
    "JPEG cut behind a thumbnail": (with_thumbnail_cut_off(), "is cut off after"),
    "JPEG cut in its header": (JPEG[:200], "the image ends before any picture data"),
    "JPEG with a lost segment": (JPEG[:2] + b"\0" + JPEG[2:], "not an image but unknown data"),
    "JPEG of garbage behind its first segment": (JPEG[:20] + b"\0" * 400, "the image ends before any picture data"),
    "JPEG of height 0": (declaring(JPEG, 60, 0), "declares a size of 60x0 pixels"),
    "PNG cut": (PNG[:-20], "the PNG image (60x40) is cut off after"),
    "PNG of its signature alone": (PNG[:8], "the image ends inside its header"),
    "PNG with a wrong checksum": (
        PNG[:60] + b"\0\0" + PNG[62:],
        "is damaged or of a kind that cannot be decoded",
    ),
    "GIF cut": (GIF[: len(GIF) // 2], "the GIF image (60x40) is damaged"),
    "WebP cut": (WEBP[:-9], "the WebP image (60x40) is cut off"),
    "BMP cut": (KINDS["BMP"][:-900], "the BMP image (60x40) is cut off"),
    "TIFF cut": (KINDS["TIFF"][:-900], "the TIFF image"),
    "TIFF of floating point numbers": (
        encode(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
        "is damaged or of a kind that cannot be decoded; save it again as an 8-bit JPEG or PNG",
    ),
    "PNG bomb": (
        declaring(PNG, 60000, 60000),
        "has 3600000000 pixels, more than the 134217728 that",
    ),
    "JPEG bomb": (declaring(JPEG, 65000, 65000), "more than the 134217728 that max_pixels allows; shrink it"),
    "JPEG of endless passes": (many_scans(), "has more than 100 scans"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_images_get_one_sentence(name: str) -> None:
    encoded, sentence = BROKEN[name]
    with pytest.raises(DataError) as caught:
        decode_rgb(encoded, "a.lst line 3 (x.jpg)")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("a.lst line 3 (x.jpg): ")
    assert "\n" not in str(caught.value)


def test_the_bound_on_pixels_is_a_setting() -> None:
    assert decode_rgb(JPEG, "a.jpg", max_pixels=WIDTH * HEIGHT).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(DataError, match="2400 pixels, more than the 2399 that max_pixels allows"):
        decode_rgb(JPEG, "a.jpg", max_pixels=WIDTH * HEIGHT - 1)
    with pytest.raises(DataError, match="max_pixels"):
        image_size(JPEG, "a.jpg", max_pixels=10)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_of_bytes_decodes_or_is_a_data_error(data: st.DataObject) -> None:
    encoded = bytearray(data.draw(st.sampled_from(list(KINDS.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        # Mostly in the headers, where lengths and offsets are.
        position = data.draw(st.integers(0, min(len(encoded) - 1, 120)))
        encoded[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    for candidate in (bytes(encoded), bytes(encoded[:cut])):
        try:
            image = decode_rgb(candidate, "k", max_pixels=1 << 20)
        except DataError:
            continue
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image_size(candidate, "k") == (image.shape[1], image.shape[0])


PHOTO = Image.fromarray(cv2.resize(gradient(), (331, 250), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize(
    ("needed", "size"),
    [
        (None, (331, 250)),
        ((126, 100), (331, 250)),
        ((125, 166), (331, 250)),
        ((125, 165), (166, 125)),
        ((63, 1), (166, 125)),
        ((62, 82), (83, 63)),
        ((31, 41), (42, 32)),
        ((1, 1), (42, 32)),
    ],
)
def test_a_jpeg_is_decoded_at_the_least_fraction_that_suffices(
    needed: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    encoded = encode(PHOTO, "JPEG", quality=95)
    asked: list[tuple[int, int]] = []
    found = decode_rgb(encoded, "a.jpg", needed=lambda *shape: asked.append(shape) or needed)  # type: ignore[func-returns-value]
    assert asked == [(250, 331)]
    assert found.shape == (size[1], size[0], 3)
    # Pillow's draft mode asks libjpeg for the same fractions, the least that is not below a size.
    image = Image.open(io.BytesIO(encoded))
    image.draft("RGB", (size[0] - 1, size[1] - 1))
    assert np.array_equal(found, np.asarray(image))


def test_a_turned_jpeg_is_measured_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    encoded = encode(PHOTO, "JPEG", exif=exif)
    assert decode_rgb(encoded, "a.jpg", needed=lambda height, width: (165, 125)).shape == (166, 125, 3)
    assert decode_rgb(encoded, "a.jpg", needed=lambda height, width: (125, 165)).shape == (331, 250, 3)


def test_other_formats_come_in_full() -> None:
    assert decode_rgb(encode(PHOTO, "PNG"), "a.png", needed=lambda height, width: (1, 1)).shape == (250, 331, 3)
