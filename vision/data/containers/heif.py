"""HEIC and AVIF: boxes in boxes; the primary item is the picture, its size and its turn are properties of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

AVIF_BRANDS = frozenset((b"avif", b"avis"))
HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
# A phone's photo has some ten boxes at each level, and 50 to 500 items: its tiles, a thumbnail, metadata.
MAX_BOXES = 1 << 12
MAX_ITEMS = 1 << 14
# One for each width of their numbers.
MAX_ASSOCIATIONS = 4
# What decoding costs is not told by header and size alone: always counted as much.
LEAST_WORK = 1 << 28

_BRAND_BYTES = 64
# (quarter turns against the clock, mirrored: None, 0 top to bottom, 1 left to right) -> EXIF's orientation.
_ORIENTATIONS = {
    (0, None): 1, (0, 1): 2, (0, 0): 4,
    (1, None): 8, (1, 1): 7, (1, 0): 5,
    (2, None): 3, (2, 1): 4, (2, 0): 2,
    (3, None): 6, (3, 1): 5, (3, 0): 7,
}  # fmt: skip


class _Box(NamedTuple):
    name: bytes
    start: int
    end: int


def format_of(start: bytes) -> str | None:
    """Return AVIF or HEIC by the brands of the first box, None for other files of boxes, such as videos."""
    if start[4:8] != b"ftyp":
        return None
    size = min(struct.unpack_from(">I", start)[0], _BRAND_BYTES, len(start))
    if AVIF_BRANDS & {start[8:12], *(start[at : at + 4] for at in range(16, size - 3, 4))}:
        return "AVIF"
    return "HEIC" if start[8:12] in HEIC_BRANDS else None


def read_header(encoded: Bytes) -> ImageHeader:
    """Read size and turn of the primary item."""
    form = format_of(bytes(encoded[:_BRAND_BYTES]))
    assert form is not None, "the caller looks at the brands"
    meta = _meta(encoded)
    properties = _primary_properties(encoded, meta)
    sizes = [struct.unpack_from(">II", encoded, box.start + 4) for box in properties if box.name == b"ispe"]
    if not sizes:
        raise BadHeaderError("does not state the size of its picture; the file is damaged")
    turns = next((encoded[box.start] & 3 for box in properties if box.name == b"irot"), 0)
    mirror = next((encoded[box.start] & 1 for box in properties if box.name == b"imir"), None)
    width, height = sizes[0]
    clean = next((box for box in properties if box.name == b"clap"), None)
    if clean is not None and form == "HEIC":
        # The rest of the coded picture is cut away. Pillow leaves it on an AVIF.
        width, height = _clean_size(encoded, clean)
    return ImageHeader(form, width, height, _ORIENTATIONS[turns, mirror])


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Compare every length with the bytes that are there, and the size of every item with the picture's."""
    try:
        meta = _meta(encoded)
        for box in _boxes(encoded, 0, len(encoded)):
            _check_length(encoded, box.end, f"a box {box.name!r}")
        for box in _find(encoded, meta, b"iprp", b"ipco", b"ispe"):
            width, height = struct.unpack_from(">II", encoded, box.start + 4)
            # Thumbnails, tiles and gain maps are smaller; tiles may go past the edge of a small picture.
            if width * height > 2 * header.pixels + (1 << 20):
                raise BadBodyError(f"holds an item of {width}x{height} pixels, larger than the picture; it is damaged")
        places = _find(encoded, meta, b"iloc")
        if len(places) > 1:
            raise BadBodyError(f"has {len(places)} lists of its items, but one is allowed; it is damaged")
        for box in places:
            _check_places(encoded, box)
    except (struct.error, IndexError):
        raise cut_off(encoded, "its header") from None
    return ImageBody(encoded, LEAST_WORK + 16 * header.pixels)


def _clean_size(encoded: Bytes, box: _Box) -> tuple[int, int]:
    """Return width and height, which are written as fractions."""
    width, width_parts, height, height_parts = struct.unpack_from(">4I", encoded, box.start)
    if not width_parts or not height_parts:
        raise BadHeaderError("cuts its picture to no size; the file is damaged")
    return width // width_parts, height // height_parts


def _check_length(encoded: bytes, end: int, what: str) -> None:
    if end > len(encoded):
        raise cut_off(encoded, f"{what} that goes on to byte {end}")


def _boxes(encoded: Bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets; ``end`` of each is as it is stated."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", encoded, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", encoded, start + 8)[0], 16
        size = end - start if size == 0 else max(size, head)
        yield _Box(name, start + head, start + size)
        start += size


def _find(encoded: Bytes, box: _Box, *path: bytes) -> list[_Box]:
    """Return the boxes at a path below a box."""
    found = [box]
    for name in path:
        found = [below for above in found for below in _boxes(encoded, above.start, above.end) if below.name == name]
    return found


def _meta(encoded: Bytes) -> _Box:
    for box in _boxes(encoded, 0, len(encoded)):
        if box.name == b"meta":
            # Version and flags come before the boxes inside.
            return _Box(box.name, box.start + 4, min(box.end, len(encoded)))
    raise BadHeaderError("holds no still picture; save it as JPEG or PNG")


def _primary_properties(encoded: Bytes, meta: _Box) -> list[_Box]:
    """Return the properties of the primary item, in the order in which they apply."""
    primary = next(iter(_find(encoded, meta, b"pitm")), None)
    if primary is None:
        raise BadHeaderError("does not say which of its items is the picture; the file is damaged")
    item = struct.unpack_from(">H" if encoded[primary.start] == 0 else ">I", encoded, primary.start + 4)[0]
    containers = _find(encoded, meta, b"iprp", b"ipco")
    properties = list(_boxes(encoded, containers[0].start, containers[0].end)) if containers else []
    associations = _find(encoded, meta, b"iprp", b"ipma")
    if len(associations) > MAX_ASSOCIATIONS:
        raise BadHeaderError(f"has {len(associations)} lists of its items' properties; the file is damaged")
    for box in associations:
        for numbers in _associations(encoded, box, item):
            return [properties[number - 1] for number in numbers if 0 < number <= len(properties)]
    return []


def _associations(encoded: Bytes, box: _Box, wanted: int) -> Iterator[list[int]]:
    """Return the numbers of the properties of an item, counted from 1."""
    version, flags = encoded[box.start], encoded[box.start + 3]
    id_form, number_form, mask = ">I" if version else ">H", ">H" if flags & 1 else ">B", 0x7FFF if flags & 1 else 0x7F
    position = box.start + 8
    for _ in range(min(struct.unpack_from(">I", encoded, box.start + 4)[0], MAX_ITEMS)):
        item = struct.unpack_from(id_form, encoded, position)[0]
        position += struct.calcsize(id_form)
        step, count = struct.calcsize(number_form), encoded[position]
        position += 1
        if item == wanted:
            places = range(position, position + step * count, step)
            yield [struct.unpack_from(number_form, encoded, place)[0] & mask for place in places]
        position += step * count


def _check_places(encoded: bytes, box: _Box) -> None:
    """Raise BadBodyError where the data of an item goes past the end of the file."""
    version = encoded[box.start]
    widths = (encoded[box.start + 4] >> 4, encoded[box.start + 4] & 15, encoded[box.start + 5] >> 4)
    offset_bytes, length_bytes, base_bytes = widths
    index_bytes = encoded[box.start + 5] & 15 if version else 0
    id_bytes = 4 if version == 2 else 2
    position = box.start + 6
    items, position = _number(encoded, position, id_bytes)
    extents_left = MAX_ITEMS
    for _ in range(items):
        position += id_bytes
        method, position = _number(encoded, position, 2) if version else (0, position)
        base, position = _number(encoded, position + 2, base_bytes)
        extents, position = _number(encoded, position, 2)
        extents_left -= extents + 1
        if extents_left < 0:
            raise BadBodyError(f"has more than {MAX_ITEMS} items; save it again as a JPEG or PNG")
        for _ in range(extents):
            offset, position = _number(encoded, position + index_bytes, offset_bytes)
            length, position = _number(encoded, position, length_bytes)
            if method & 15 == 0:
                _check_length(encoded, base + offset + length, "data of an item")


def _number(encoded: bytes, position: int, width: int) -> tuple[int, int]:
    """Return a number of so many bytes, and where the next one begins."""
    if position + width > len(encoded):
        raise IndexError
    return int.from_bytes(encoded[position : position + width], "big"), position + width
