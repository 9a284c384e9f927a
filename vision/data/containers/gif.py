"""GIF: a screen, then blocks; the first picture counts."""

from __future__ import annotations

import struct

from vision.data.containers.image_parts import BadBodyError, Bytes, ImageBody, ImageHeader, cut_off

# Of 255 bytes each, before the first picture: 16 MB of comments and metadata.
MAX_BLOCKS = 1 << 16

_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B
# Says which color is transparent. Other extensions are comments and metadata, which Pillow gathers ever more slowly.
_CONTROL = 0xF9


def read_header(encoded: Bytes) -> ImageHeader:
    """Read the size of the screen."""
    return ImageHeader("GIF", *struct.unpack_from("<HH", encoded, 6))


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Walk to the first picture, which must lie on the screen, and leave out the comments before it."""
    try:
        position, control = _first_picture(encoded)
        left, top, width, height = struct.unpack_from("<HHHH", encoded, position + 1)
    except (IndexError, struct.error):
        raise cut_off(encoded) from None
    if left + width > header.width or top + height > header.height:
        raise BadBodyError(f"is damaged: its picture of {width}x{height} pixels is larger than the image")
    return ImageBody(encoded[: _screen_end(encoded)] + control + encoded[position:], 4 * header.pixels)


def _screen_end(encoded: bytes) -> int:
    """Return where the colors end that all pictures share, and the blocks begin."""
    flags = encoded[10]
    return 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _first_picture(encoded: bytes) -> tuple[int, bytes]:
    """Return where the first picture is, and the extension that says how it is shown."""
    position, control = _screen_end(encoded), b""
    for _ in range(MAX_BLOCKS):
        kind = encoded[position]
        if kind == _PICTURE:
            return position, control
        if kind == _END:
            raise BadBodyError("is damaged: it holds no picture")
        # Other bytes between blocks are passed over, as Pillow does.
        position += 1
        if kind == _EXTENSION:
            start, position = position - 1, _behind_blocks(encoded, position + 1)
            if encoded[start + 1] == _CONTROL:
                control = encoded[start:position]
    raise BadBodyError("is damaged: its first picture lies behind thousands of other blocks")


def _behind_blocks(encoded: bytes, position: int) -> int:
    for _ in range(MAX_BLOCKS):
        size = encoded[position]
        position += 1 + size
        if not size:
            return position
    raise BadBodyError("is damaged: its first picture lies behind thousands of other blocks")
