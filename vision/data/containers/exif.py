"""EXIF data and the TIFF structure that it has: numbers in the first directory, among them the orientation."""

from __future__ import annotations

import struct
from typing import NamedTuple

from vision.data.containers.image_parts import Bytes

TIFF_WIDTH, TIFF_HEIGHT, ORIENTATION = 256, 257, 274
_WANTED = frozenset((TIFF_WIDTH, TIFF_HEIGHT, ORIENTATION))
_SHORT, _LONG = 3, 4
# Bytes of one value, by the number of its type.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INLINE_BYTES = 4


class TiffField(NamedTuple):
    """An entry of a directory: ``values`` of a ``kind``, in ``size`` bytes from ``start``; ``entry`` is its place."""

    entry: int
    kind: int
    values: int
    start: int
    size: int


def byte_order(data: Bytes | bytearray) -> str | None:
    """struct's sign for the byte order, None if the data is no TIFF structure."""
    return {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))


def read_tiff_tags(data: Bytes) -> dict[int, int]:
    """Return the width, height and orientation where the first directory states them as one number each.

    Raises struct.error where the data ends too early; a structure of another kind gives an empty dictionary.
    """
    order = byte_order(data)
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


def exif_orientation(exif: Bytes) -> int:
    """Return the orientation that EXIF data states, 1 to 8. Damaged data counts as upright, 1."""
    try:
        orientation = read_tiff_tags(exif).get(ORIENTATION, 1)
    except (struct.error, IndexError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def read_tiff_fields(data: Bytes) -> dict[int, TiffField]:
    """Return the entries of the first directory by tag, the first of equal ones; where values lie is not checked.

    Raises struct.error where the data ends too early.
    """
    order = byte_order(data)
    if order is None:
        return {}
    directory = struct.unpack_from(order + "I", data, 4)[0]
    fields: dict[int, TiffField] = {}
    for index in range(struct.unpack_from(order + "H", data, directory)[0]):
        entry = directory + 2 + 12 * index
        tag, kind, count, place = struct.unpack_from(order + "HHII", data, entry)
        size = count * _VALUE_BYTES.get(kind, 1)
        fields.setdefault(tag, TiffField(entry, kind, count, entry + 8 if size <= _INLINE_BYTES else place, size))
    return fields


def whole_numbers(data: Bytes, field: TiffField | None, most: int) -> tuple[int, ...]:
    """Return the first values of a field of whole numbers, no more than ``most``; () for any other.

    Raises struct.error where the data ends too early.
    """
    letter = {1: "B", 3: "H", 4: "I"}.get(field.kind) if field else None
    if field is None or letter is None:
        return ()
    return struct.unpack_from(f"{byte_order(data)}{min(field.values, most)}{letter}", data, field.start)
