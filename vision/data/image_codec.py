"""Encoded images to upright 8-bit RGB.

OpenCV decodes; what it leaves open is settled here, before any pixel is allocated: which formats are
accepted, how large an image may be, how much work it may make, whether the file is whole, and which way is up (by the
header's own orientation, so that ``image_size`` and ``decode_rgb`` cannot disagree). A JPEG damaged in its middle is
not found: it decodes to a damaged picture, as it does everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from vision.data.allocation import keep_freed_memory
from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader
from vision.data.foreign_bytes import why_unreadable
from vision.data.heic_decoder import can_decode, decode_heic
from vision.data.image_header import read_body, read_header
from vision.data.sample import Reader
from vision.settings.errors import DataError

# 11585 x 11585; as RGB 384 MiB in one loader process. The largest phone cameras (108 megapixels) fit.
MAX_PIXELS = 1 << 27

_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
# What libjpeg makes from fewer coefficients of each block, with its fast code. The flag for colour is in _FLAGS.
_REDUCED_FLAGS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | _FLAGS,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | _FLAGS,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | _FLAGS,
}

# (height, width) of an image -> the size to which it will be reduced, or None if it is used as it is.
Needed: TypeAlias = Callable[[int, int], tuple[int, int] | None]


def prepare_process() -> None:
    """Call once in each process that decodes: OpenCV uses one thread and writes nothing to stderr; memory is kept."""
    keep_freed_memory()
    prepare_threads()


def prepare_threads() -> None:
    """Make a process that has other work besides ready to decode: its memory is left as it is."""
    cv2.setNumThreads(0)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_rgb(encoded: Bytes, key: str, *, max_pixels: int = MAX_PIXELS, needed: Needed | None = None) -> np.ndarray:
    """Decode to uint8 [H, W, 3], RGB, contiguous, upright.

    Grey becomes three equal channels, alpha is dropped (its colours stay, as in MXNet), 16 bits keep their
    upper 8, CMYK is converted without a colour profile, of an animation the first picture counts.
    ``max_pixels`` bounds width x height as the header declares them. With ``needed`` a JPEG comes at 1/2, 1/4 or 1/8
    of its size (rounded up), the least that is not below what is needed. Raises DataError under ``key``.
    """
    # Looking at single bytes is faster in bytes than in a view, by more than the copy costs.
    encoded = bytes(encoded)
    header, body = check_image(encoded, key, max_pixels=max_pixels)
    return decode_checked(header, body, key, needed=needed)


def decode_checked(header: ImageHeader, body: ImageBody, key: str, *, needed: Needed | None = None) -> np.ndarray:
    """Decode what ``check_image`` has found: the second half of ``decode_rgb``."""
    divisor = 1 if needed is None else _divisor(header, needed)
    image = _decode(body, header, key, divisor)
    # TIFF and HEIC files are turned upright by their libraries, whatever they are asked for.
    if image is not None and header.format not in ("TIFF", "HEIC") and header.orientation != 1:
        image = turn_upright(image, header.orientation)
    if image is None or image.shape[1::-1] != _reduced_size(header, divisor):
        raise DataError(
            key,
            f"the {_named(header)} is damaged or of a kind that cannot be decoded; "
            "save it again as an 8-bit JPEG or PNG",
        )
    return image


def check_image(encoded: bytes, key: str, *, max_pixels: int = MAX_PIXELS) -> tuple[ImageHeader, ImageBody]:
    """Return the header, and what a decoder may be given. Raises DataError under ``key``."""
    header = image_header(encoded, key, max_pixels)
    try:
        return header, read_body(encoded, header)
    except BadBodyError as problem:
        raise DataError(key, f"the {_named(header)} {problem}") from None


def image_size(
    encoded: Bytes, key: str, *, max_pixels: int = MAX_PIXELS, needed: Needed | None = None
) -> tuple[int, int]:
    """Return (width, height) in pixels that ``decode_rgb`` will give, from the header alone."""
    header = image_header(encoded, key, max_pixels)
    return _reduced_size(header, 1 if needed is None else _divisor(header, needed))


def some_sizes(reader: Reader, most: int) -> np.ndarray:
    """Return width and height of at most that many readable images from all over a channel, int64 [N, 2], in pixels."""
    found = []
    for index in np.linspace(0, len(reader) - 1, min(most, len(reader))).astype(int).tolist():
        try:
            sample = reader[index]
            found.append(image_size(sample.encoded, sample.key))
        except DataError:
            # Counted and named where images are decoded.
            continue
    return np.array(found, np.int64).reshape(-1, 2)


def image_header(encoded: Bytes, key: str, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Return the header of an image. Raises DataError under ``key`` for what is no image and for one too large."""
    try:
        header = read_header(encoded)
    except BadHeaderError as problem:
        raise DataError(key, f"the image {problem}") from None
    if header is None:
        raise DataError(key, why_unreadable(encoded))
    if header.pixels > max_pixels:
        raise DataError(
            key,
            f"the {_named(header)} has {header.pixels} pixels, more than the {max_pixels} "
            "that max_pixels allows; shrink it",
        )
    if header.format == "HEIC" and not can_decode():
        raise DataError(key, "an HEIC image: pip install 'vision[heif]' to have them read, or save it as JPEG or PNG")
    return header


def _named(header: ImageHeader) -> str:
    return f"{header.format} image ({header.width}x{header.height})"


def _divisor(header: ImageHeader, needed: Needed) -> int:
    """Return how many times smaller a JPEG may be decoded."""
    width, height = header.upright_size
    size = needed(height, width) if header.format == "JPEG" else None
    if size is None:
        return 1
    return next((by for by in _REDUCED_FLAGS if height >= by * size[0] and width >= by * size[1]), 1)


def _reduced_size(header: ImageHeader, divisor: int) -> tuple[int, int]:
    """Return (width, height) of an upright image that is decoded at a fraction of its size."""
    width, height = header.upright_size
    return -(-width // divisor), -(-height // divisor)


def _decode(body: ImageBody, header: ImageHeader, key: str, divisor: int) -> np.ndarray | None:
    if header.format == "GIF":
        # Not every OpenCV reads GIF, and those that do paint transparent pixels black.
        return _decode_by_pillow(body.encoded, header)
    if header.format == "AVIF":
        _require_avif(key)
        return _decode_by_pillow(body.encoded, header)
    if header.format == "HEIC":
        return decode_heic(body.encoded)
    try:
        encoded = np.frombuffer(body.encoded, np.uint8)
        if body.is_premultiplied:
            return _without_premultiplied_alpha(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
        return cv2.imdecode(encoded, _REDUCED_FLAGS.get(divisor, _FLAGS))
    except cv2.error:
        return None


def _decode_by_pillow(encoded: bytes, header: ImageHeader) -> np.ndarray | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=(header.format,)) as image:
            if image.size != (header.width, header.height):
                # A frame larger than the screen would go past the bound on pixels.
                return None
            return np.array(image.convert("RGB"))
    except Exception:  # Pillow's decoders raise whatever the damage led to
        return None


def _require_avif(key: str) -> None:
    from PIL import features

    if not features.check("avif"):
        raise DataError(
            key, "an AVIF image, which this Pillow cannot read: pip install 'pillow>=11.3', or save it as JPEG"
        )


def _without_premultiplied_alpha(image: np.ndarray | None) -> np.ndarray | None:
    """Return RGB of [H, W, 4] BGRA, as the same picture has it in a file whose colors are not multiplied by alpha."""
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        return None if image is None else cv2.cvtColor(_upper_8_bits(image), cv2.COLOR_BGR2RGB)
    image = _upper_8_bits(image)
    rgb, alpha = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), image[..., 3]
    for row, opacity in zip(rgb, alpha, strict=True):
        shown = opacity > 0
        row[shown] = np.minimum(row[shown].astype(np.uint16) * 255 // opacity[shown, None], 255)
    return rgb


def _upper_8_bits(image: np.ndarray) -> np.ndarray:
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation of uint8 [H, W, 3] or [H, W]; 5 to 8 exchange height and width."""
    if orientation >= 5:
        image = cv2.transpose(image)
    # After the transposition 5..8 differ by the same flips as 1, 2, 4, 3.
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)
