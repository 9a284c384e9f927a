"""Width and height as labelling tools state them: numbers, texts, or nothing that can be used."""

from __future__ import annotations

import math

from vision.data.convert.neutral import AnnotatedImage
from vision.settings.errors import DataError


def stated_size(width: object, height: object) -> tuple[int, int] | None:
    """(width, height) in pixels; None where one of them is missing, no whole number, or not above 0."""
    sides = [_side(side) for side in (width, height)]
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def size_note(width: object, height: object) -> str:
    """The sentence that says that the image's own size is used."""
    stated = "no size" if width in (None, "") and height in (None, "") else f"the size {width!s:.20}x{height!s:.20}"
    return f"states {stated}: the image's own is used"


def check_size(image: AnnotatedImage, size_px: tuple[int, int]) -> None:
    """Raise DataError where an image states another size than the (width, height) of its upright picture."""
    stated = image.size_px
    if stated is not None and stated != size_px:
        raise DataError(
            image.key,
            f"states the size {stated[0]}x{stated[1]}, but the image has {size_px[0]}x{size_px[1]} pixels when "
            "upright, so its boxes cannot be trusted; correct the size, or save the image without EXIF orientation",
        )


def _side(side: object) -> int | None:
    if isinstance(side, bool) or not isinstance(side, int | float | str):
        return None
    try:
        value = float(side)
    except (ValueError, OverflowError):
        return None
    return int(value) if math.isfinite(value) and value.is_integer() and 0 < value < 1e9 else None
