"""JPEG: segments behind markers, then one scan over the picture or many."""

from __future__ import annotations

import struct

from vision.data.containers.exif import exif_orientation
from vision.data.containers.image_parts import BadBodyError, BadHeaderError, Bytes, ImageBody, ImageHeader, cut_off

# Encoders make about 10 scans of a progressive photo, the most thorough optimizers some 25.
MAX_SCANS = 100
# Each scan goes over the whole picture: 16 scans of the largest image, 43 of 50 megapixels, 100 of 21.
MAX_SCANNED_PIXELS = 1 << 31
# A photo has some 10 segments before its picture, and 255 more for the largest color profile.
_MAX_SEGMENTS = 1 << 14

_END, _SCAN = b"\xff\xd9", 0xDA
_SCAN_MARKER = b"\xff\xda"
# Start-of-frame markers; between them DHT (C4), JPG (C8) and DAC (CC) are something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_FRAMES = frozenset((0xC2, 0xC6, 0xCA, 0xCE))


def read_header(encoded: Bytes) -> ImageHeader:
    """Walk over the segments as libjpeg does: what lies between them is passed over."""
    position, end = 2, len(encoded)
    width = height = components = 0
    orientation, has_scans = 1, False
    for _ in range(_MAX_SEGMENTS):
        if position + 4 > end:
            break
        if encoded[position] != 0xFF:
            # Only here are bytes searched, which a view cannot.
            encoded = bytes(encoded)
            position = encoded.find(b"\xff", position)
            if position < 0:
                break
            continue
        marker = encoded[position + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD7:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        length = (encoded[position + 2] << 8) | encoded[position + 3]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", encoded, position + 5)
            components, has_scans = encoded[position + 9], marker in _PROGRESSIVE_FRAMES
        elif marker == _SCAN:
            if not width:
                break
            has_scans = has_scans or encoded[position + 4] < components
            return ImageHeader("JPEG", width, height, orientation, position + 2 + length, has_scans)
        elif marker == 0xE1 and orientation == 1 and encoded[position + 4 : position + 10] == b"Exif\0\0":
            orientation = exif_orientation(encoded[position + 10 : position + 2 + length])
        position += 2 + max(length, 2)
    raise BadHeaderError("ends before any picture data; the file is cut off or damaged")


def read_body(encoded: bytes, header: ImageHeader) -> ImageBody:
    """Look for the end marker, and count the scans of a picture that has several."""
    # A thumbnail inside the header has an end marker too: only one behind the scan header counts. Bytes behind the
    # end are allowed: cameras and download tools leave them.
    if encoded[-2:] != _END and encoded.find(_END, header.data_start) < 0:
        raise cut_off(encoded)
    if not header.has_scans:
        return ImageBody(encoded, header.pixels)
    scans = 1 + encoded.count(_SCAN_MARKER, header.data_start)
    if scans > MAX_SCANS or scans * header.pixels > MAX_SCANNED_PIXELS:
        allowed = min(MAX_SCANS, MAX_SCANNED_PIXELS // header.pixels)
        raise BadBodyError(f"has more than {allowed} scans; save it again as a plain JPEG")
    return ImageBody(encoded, (1 + scans) * header.pixels)
