"""PNG masks with the values that their files hold: palette indices and grey levels, not the colors they stand for.

Legend: H and W are the mask's size in pixels, K the number of classes.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from vision.data.containers.png import chunks
from vision.data.image_codec import check_image
from vision.settings.errors import DataError

IGNORED = 255
_GREY, _PALETTE = 0, 3
_COLOR_TYPES = (2, 6)
_SIGNATURE_BYTES = 8


@dataclass(frozen=True, eq=False)
class MaskImage:
    """The pixels of a mask file.

    ``pixels`` are indices or grey levels [H, W], uint8 or uint16, or colors uint8 [H, W, 3] RGB or [H, W, 4] RGBA.
    ``palette`` are the colors of indices, uint8 [256, 4] RGBA, and None for a file without them.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None

    @property
    def has_colors(self) -> bool:
        """Whether the pixels themselves are colors."""
        return self.pixels.ndim == 3


def read_mask(encoded: bytes, key: str) -> MaskImage:
    """Decode a PNG file. Raises DataError under ``key`` for any other format and for damaged files.

    A 1-bit grey file has values 0 and 1; with 2 and 4 bits grey levels are spread over 0 to 255, as Pillow reads them.
    """
    try:
        header, body = check_image(bytes(encoded), key)
    except DataError as error:
        # The key names an image and its mask.
        raise DataError(key, f"the mask cannot be read: {error.reason}") from None
    if header.format != "PNG":
        why = ", whose compression changes values" if header.format == "JPEG" else ""
        raise DataError(key, f"the mask is a {header.format} image{why}; a mask must be a PNG file")
    bits, color_type = body.encoded[24], body.encoded[25]
    pixels = _decode(_plain_png(body.encoded))
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise DataError(key, "the mask is damaged and cannot be decoded; save it as PNG again")
    if color_type == _PALETTE:
        return MaskImage(pixels // (255 // (2**bits - 1)), _palette(body.encoded))
    if color_type == _GREY:
        return MaskImage(np.minimum(pixels, 1) if bits == 1 else pixels)
    pixels = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    return MaskImage(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def holds_colors(encoded: bytes) -> bool:
    """Return whether the pixels of a sound PNG file are colors, not indices or grey levels."""
    return encoded[25] in _COLOR_TYPES


def write_mask(class_ids: np.ndarray, colors: np.ndarray | None = None) -> bytes:
    """Return a palette PNG whose indices are ``class_ids`` uint8 [H, W].

    ``colors`` uint8 [K, 3] RGB show the classes in image viewers, VOC's colors by default.
    """
    from PIL import Image

    palette = class_colors(256)
    if colors is not None:
        palette[: len(colors)] = colors
    image = Image.fromarray(class_ids, "L")
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def class_colors(count: int) -> np.ndarray:
    """Return the colors of classes 0 to ``count`` - 1 in the PASCAL VOC data set, uint8 [count, 3] RGB.

    Each channel takes every third bit of the class id, the lowest first, as its highest bits.
    """
    ids = np.arange(count)
    colors = np.zeros((count, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((ids >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def _plain_png(encoded: bytes) -> bytes:
    """Return the file with its header and picture data alone, a palette's indices declared as grey levels."""
    parts = [encoded[:_SIGNATURE_BYTES]]
    for name, start, end in chunks(encoded):
        chunk = encoded[start:end]
        if name == b"IHDR" and chunk[17] == _PALETTE:
            named = chunk[4:17] + bytes([_GREY]) + chunk[18:21]
            chunk = chunk[:4] + named + struct.pack(">I", zlib.crc32(named))
        if name in (b"IHDR", b"IDAT", b"IEND"):
            parts.append(chunk)
    return b"".join(parts)


def _decode(encoded: bytes) -> np.ndarray | None:
    """Return grey [H, W], BGR [H, W, 3] or BGRA [H, W, 4], uint8 or uint16; None if the data are damaged."""
    try:
        return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _palette(encoded: bytes) -> np.ndarray:
    """Return the palette, uint8 [256, 4] RGBA; entries that the file does not have are opaque black."""
    palette = np.full((256, 4), (0, 0, 0, 255), np.uint8)
    for name, start, end in chunks(encoded):
        values = np.frombuffer(encoded[start + 8 : end - 4], np.uint8)
        if name == b"PLTE":
            colors = values[: 3 * 256].reshape(-1, 3) if len(values) % 3 == 0 else values[:0].reshape(0, 3)
            palette[: len(colors), :3] = colors
        elif name == b"tRNS":
            palette[: min(len(values), 256), 3] = values[:256]
    return palette
