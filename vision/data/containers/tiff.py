"""TIFF: directories of tags, strips or tiles anywhere in the file; the first picture counts."""

from __future__ import annotations

import struct

import numpy as np

from vision.data.containers.exif import (
    ORIENTATION,
    TIFF_HEIGHT,
    TIFF_WIDTH,
    TiffField,
    byte_order,
    read_tiff_fields,
    read_tiff_tags,
    whole_numbers,
)
from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

# Of what a photo or a scan needs: four channels of 16 bits.
MAX_PIXEL_BITS = 128
# Of all tiles, which are mostly 256 x 256 each: they go past the edges of the picture, and are decoded whole.
MAX_TILE_PIXELS = 1 << 24
# A cut of the picture for each of its rows or for each 16 x 16 pixels is the most that makes sense.
MAX_CUTS = 1 << 20

_REDUCED, _BITS, _COMPRESSION, _MAKER, _SAMPLES, _DIRECTORIES, _EXTRA, _DNG = 254, 258, 259, 271, 277, 330, 338, 50706
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
# Offsets and lengths, of strips and of tiles.
_CUTS = ((273, 279), (324, 325))
_JPEG_KINDS = (6, 7)
_PREMULTIPLIED, _PLAIN_ALPHA = 1, 2
_RAW = {b"NIKON": "a Nikon NEF", b"SONY": "a Sony ARW", b"PENTAX": "a Pentax PEF", b"SAMSUNG": "a Samsung SRW"}


def raw_kind(start: Bytes, fields: dict[int, TiffField] | None = None) -> str | None:
    """Return the name of a camera's raw format that looks like TIFF, whose picture would be a small preview."""
    if start[8:10] == b"CR":
        return "a Canon CR2 raw image"
    try:
        fields = read_tiff_fields(start) if fields is None else fields
        if _DNG in fields:
            return "a DNG raw image"
        is_preview = whole_numbers(start, fields.get(_REDUCED), 1) == (1,) and _DIRECTORIES in fields
    except struct.error:
        return None
    if not is_preview:
        return None
    maker = fields.get(_MAKER)
    name = b"" if maker is None else bytes(start[maker.start : maker.start + 8]).upper()
    return next((f"{kind} raw image" for sign, kind in _RAW.items() if name.startswith(sign)), "a camera's raw image")


def read_header(encoded: Bytes) -> ImageHeader:
    """Read size and orientation of the first picture."""
    raw = raw_kind(encoded)
    if raw is not None:
        raise BadHeaderError(f"is {raw}; develop it and save it as JPEG or PNG")
    tags = read_tiff_tags(encoded)
    orientation = tags.get(ORIENTATION, 1)
    return ImageHeader(
        "TIFF", tags.get(TIFF_WIDTH, 0), tags.get(TIFF_HEIGHT, 0), orientation if 1 <= orientation <= 8 else 1
    )


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Bound sizes and lengths, and let plain alpha pass as one that is multiplied in, so that colors stay.

    libtiff multiplies colors by an alpha that is not multiplied in, and leaves those alone that are.
    """
    try:
        fields = read_tiff_fields(encoded)
        changed = bytearray(encoded)
        _check_pixels(encoded, header, fields)
        for field in fields.values():
            if field.start + field.size > len(encoded):
                # Readers pass over a tag without values, as over one whose values are not there.
                changed[field.entry + 4 : field.entry + 8] = bytes(4)
        cuts = _bound_cuts(changed, fields)
        alpha = whole_numbers(encoded, fields.get(_EXTRA), 1)
        if alpha == (_PLAIN_ALPHA,):
            start = fields[_EXTRA].start
            changed[start : start + 2] = struct.pack(f"{byte_order(encoded)}H", _PREMULTIPLIED)
    except struct.error:
        raise cut_off(encoded) from None
    work = 4 * header.pixels
    if whole_numbers(encoded, fields.get(_COMPRESSION), 1)[:1] in [(kind,) for kind in _JPEG_KINDS]:
        # Each cut of the picture is a JPEG of its own, which may have many scans.
        work += header.pixels * encoded.count(b"\xff\xda") // cuts
    return ImageBody(bytes(changed) if changed != encoded else encoded, work, alpha == (_PREMULTIPLIED,))


def _check_pixels(encoded: bytes, header: ImageHeader, fields: dict[int, TiffField]) -> None:
    samples = (*whole_numbers(encoded, fields.get(_SAMPLES), 1), 1)[0]
    bits = max((*whole_numbers(encoded, fields.get(_BITS), 16), 1))
    if samples * bits > MAX_PIXEL_BITS:
        raise BadBodyError(f"has {samples} channels of {bits} bits; save it again as an 8-bit JPEG or PNG")
    tile = [(*whole_numbers(encoded, fields.get(tag), 1), 0)[0] for tag in (_TILE_WIDTH, _TILE_HEIGHT)]
    if 0 not in tile:
        tiles = -(-header.width // tile[0]) * -(-header.height // tile[1])
        if tiles * tile[0] * tile[1] > max(MAX_TILE_PIXELS, 2 * header.pixels):
            raise BadBodyError(f"has {tiles} tiles of {tile[0]}x{tile[1]} pixels; save it again as a JPEG or PNG")


def _bound_cuts(encoded: bytearray, fields: dict[int, TiffField]) -> int:
    """Let no strip or tile go past the end of the file; how many there are."""
    order = byte_order(encoded)
    most = 1
    for offset_tag, length_tag in _CUTS:
        offsets, lengths = fields.get(offset_tag), fields.get(length_tag)
        if offsets is None or lengths is None:
            continue
        count = min(offsets.values, lengths.values)
        if count > MAX_CUTS:
            raise BadBodyError(f"has {count} strips or tiles, more than {MAX_CUTS}; save it again as a JPEG or PNG")
        starts, sizes = (_numbers(encoded, field, count, order) for field in (offsets, lengths))
        if starts is None or sizes is None:
            continue
        room = np.clip(len(encoded) - starts.astype(np.int64), 0, None)
        sizes[:] = np.minimum(sizes, room)
        most = max(most, count)
    return most


def _numbers(encoded: bytearray, field: TiffField, count: int, order: str | None) -> np.ndarray | None:
    """Return a view of a field's numbers, or None where they are of another kind or not in the file."""
    kind = {3: "u2", 4: "u4"}.get(field.kind)
    if kind is None or field.start + field.size > len(encoded):
        return None
    return np.frombuffer(encoded, np.dtype(f"{order}{kind}"), count, field.start)
