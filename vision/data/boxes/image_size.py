"""The size that a label states for its image, and the size that the image has: when boxes can be trusted.

One rule for training and every tool. Equal sizes are right. A picture that was shrunk or enlarged after its boxes were
drawn has another size of the same shape: its boxes are scaled with it, and that is said. Any other difference (width
and height exchanged, another picture, a picture turned by its EXIF orientation) makes the boxes wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

from vision.data.boxes.object_rows import stated_size
from vision.data.sample import RawTarget, Reader, Sized
from vision.settings.errors import DataError

MAX_NAMED = 3
# Images whose headers are read at once: what takes time is waiting for a disk or a network.
_THREADS, _CHUNK = 8, 256


class Fit(Enum):
    """How the size of an image fits the stated one."""

    EQUAL = "equal"
    SCALED = "scaled"
    OTHER = "other"


def fit_of(stated: tuple[float, float], actual_px: tuple[int, int]) -> Fit:
    """Return how (width, height) of an image fit the stated ones; rounding to whole pixels is no difference."""
    width, height = stated
    actual_width, actual_height = actual_px
    if (width, height) == (actual_width, actual_height):
        return Fit.EQUAL
    scale = actual_width / width
    return Fit.SCALED if abs(actual_height - height * scale) <= max(1.0, scale) else Fit.OTHER


def size_message(stated: tuple[float, float], actual_px: tuple[int, int]) -> str:
    """Return the rest of a sentence that begins with the image's key: both sizes."""
    return (
        f"states the size {stated[0]:g}x{stated[1]:g}, but the image has {actual_px[0]}x{actual_px[1]} pixels when "
        "upright"
    )


REMEDY = (
    "so the boxes cannot be trusted; correct the size (are width and height exchanged?), or save the image without "
    "EXIF orientation"
)


@dataclass
class SizeTally:
    """Images of a channel whose size is not the stated one: how many, and the first of them in sentences."""

    images: int = 0
    scaled: int = 0
    other: int = 0
    first_scaled: list[str] = field(default_factory=list)
    first_other: list[str] = field(default_factory=list)

    def add(self, key: str, stated: tuple[float, float], actual_px: tuple[int, int]) -> Fit:
        """Count one image, whose ``key`` names it."""
        fit = fit_of(stated, actual_px)
        if fit is Fit.OTHER:
            self.other += 1
            named = self.first_other
        elif fit is Fit.SCALED:
            self.scaled += 1
            named = self.first_scaled
        if fit is not Fit.EQUAL and len(named) < MAX_NAMED:
            named.append(f"{key} {size_message(stated, actual_px)}")
        return fit

    @property
    def problem(self) -> str | None:
        """A sentence about the boxes that cannot be trusted, None if there are none."""
        if not self.other:
            return None
        return (
            f"{self.other} of {self.images} images do not have the size that their label states, {REMEDY}; first: "
            f"{'; '.join(self.first_other)}"
        )

    @property
    def warning(self) -> str | None:
        """A sentence about the boxes that are scaled with their images, None if there are none."""
        if not self.scaled:
            return None
        return (
            f"{self.scaled} of {self.images} images are larger or smaller than their label states, of the same shape: "
            f"their boxes are scaled with them; first: {'; '.join(self.first_scaled)}"
        )


def stated_size_of(raw: RawTarget) -> tuple[float, float] | None:
    """Return (width, height) in pixels that a label states; None if it states no valid size."""
    if not isinstance(raw, Mapping):
        return None
    try:
        return stated_size(raw, "")
    except DataError:
        # Said where labels are judged.
        return None


def compare_sizes(reader: Reader) -> SizeTally:
    """Compare the size of every image with the stated one, from the header of its file.

    A reader of records states no sizes. Images that cannot be read are counted elsewhere.
    """
    tally = SizeTally(images=len(reader))
    if not isinstance(reader, Sized):
        return tally
    images: Sized = reader

    def actual_px(index: int) -> tuple[int, int] | None:
        try:
            return images.image_size_px(index)
        except DataError:
            return None

    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(reader), _CHUNK):
            stated = {}
            for index in range(start, min(start + _CHUNK, len(reader))):
                size = stated_size_of(_target(reader, index))
                if size is not None:
                    stated[index] = size
            for index, actual in zip(stated, pool.map(actual_px, stated), strict=True):
                if actual is not None:
                    tally.add(reader.key(index), stated[index], actual)
    return tally


def _target(reader: Reader, index: int) -> RawTarget:
    try:
        return reader.target(index)
    except DataError:
        return ""
