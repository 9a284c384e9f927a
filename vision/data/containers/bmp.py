"""BMP: a header of one of several lengths, then rows."""

from __future__ import annotations

import struct

from vision.data.containers.image_parts import Bytes, ImageBody, ImageHeader, cut_off

_PLAIN = (0, 3)


def read_header(encoded: Bytes) -> ImageHeader:
    """Read the size; a negative height means rows from top to bottom."""
    if struct.unpack_from("<I", encoded, 14)[0] == 12:
        return ImageHeader("BMP", *struct.unpack_from("<HH", encoded, 18))
    width, height = struct.unpack_from("<ii", encoded, 18)
    return ImageHeader("BMP", width, abs(height))


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Compare the bytes that the rows need with those that are there, where rows are not compressed."""
    data_start, header_bytes = struct.unpack_from("<II", encoded, 10)
    try:
        if header_bytes == 12:
            bits, compression = struct.unpack_from("<H", encoded, 24)[0], 0
        else:
            bits, compression = struct.unpack_from("<HI", encoded, 28)
    except struct.error:
        raise cut_off(encoded) from None
    row_bytes = (header.width * bits + 7) // 8
    # The last row may lack the bytes that fill it up to four.
    needed = (row_bytes + 3) // 4 * 4 * (header.height - 1) + row_bytes if compression in _PLAIN else 1
    if data_start + needed > len(encoded):
        raise cut_off(encoded)
    return ImageBody(encoded, header.pixels)
