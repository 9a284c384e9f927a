"""What is known of an encoded image before a decoder sees it: its header, and the body that a decoder may be given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Bytes = bytes | memoryview


class BadHeaderError(ValueError):
    """What is wrong with the header; whoever knows the image's key makes a DataError of it."""


class BadBodyError(ValueError):
    """The same of what follows the header."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """``width`` and ``height`` in pixels as stored; ``orientation`` 1..8 is EXIF's, which turns them upright.

    ``data_start`` is the byte offset of the pixel data where the format has one (JPEG: behind the first scan
    header), else 0. ``has_scans``: the picture may come in several scans over all of it (JPEG).
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    data_start: int = 0
    has_scans: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) after turning; orientations 5 to 8 exchange the two."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


class ImageBody(NamedTuple):
    """``encoded`` is the file as a decoder may see it: no length in it goes past its end, nothing is left that no
    pixel needs. ``work`` estimates what decoding costs at most, counted in pixels of a plain JPEG (some 5 ns each).
    ``is_premultiplied``: the colors are stored multiplied by alpha.
    """

    encoded: bytes
    work: int
    is_premultiplied: bool = False


def cut_off(encoded: bytes, inside: str = "") -> BadBodyError:
    """Return the error of a file that ends too early, ``inside`` something that needs more bytes."""
    where = f", inside {inside}" if inside else ""
    return BadBodyError(f"is cut off after {len(encoded)} bytes{where}; copy or download it again")
