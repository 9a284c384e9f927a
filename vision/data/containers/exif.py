"""The orientation that EXIF data states, wherever a format keeps it."""

from __future__ import annotations

import struct

from vision.data.containers.image_parts import Bytes
from vision.data.tiff_tags import ORIENTATION, read_tiff_tags


def exif_orientation(exif: Bytes) -> int:
    """1 to 8. Damaged EXIF data says nothing about the picture, which is then taken as upright."""
    try:
        orientation = read_tiff_tags(exif).get(ORIENTATION, 1)
    except (struct.error, IndexError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1
