"""Numbers in the first directory of a TIFF structure, which is also the structure of EXIF data."""

from __future__ import annotations

import struct

TIFF_WIDTH, TIFF_HEIGHT, ORIENTATION = 256, 257, 274
_WANTED = frozenset((TIFF_WIDTH, TIFF_HEIGHT, ORIENTATION))
_SHORT, _LONG = 3, 4


def read_tiff_tags(data: bytes | memoryview) -> dict[int, int]:
    """Width, height and orientation where the first directory states them as one number each.

    Raises struct.error where the data ends too early; a structure of another kind gives an empty dictionary.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        return {}
    directory = struct.unpack_from(order + "I", data, 4)[0]
    count = struct.unpack_from(order + "H", data, directory)[0]
    tags: dict[int, int] = {}
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in _WANTED and kind in (_SHORT, _LONG):
            number = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), data, entry + 8)[0]
            tags.setdefault(tag, number)
    return tags
