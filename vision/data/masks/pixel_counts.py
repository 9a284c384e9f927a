"""Counts the pixels of each class in all masks of a channel, and finds the masks that cannot be used.

Legend: K is the number of classes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vision.data.image_header import read_header
from vision.data.masks.label_map import PLAIN
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_frame import upright_mask
from vision.data.masks.mask_png import IGNORED
from vision.data.problems import EqualProblems
from vision.data.sample import Reader, Sized
from vision.settings.device import usable_cores
from vision.settings.errors import DataError

SHOWN = 10
# Masks that one thread counts before it hands its sums over.
_BLOCK = 32


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """What the masks of a channel hold.

    ``pixels`` int64 [K] counts the pixels of each class, ``images`` int64 [K] the masks with at least one, and
    ``ignored`` the pixels that do not count. ``num_masks`` are those that were counted. ``problems`` names the masks
    that cannot be used, a sentence for each kind with the first names.
    """

    pixels: np.ndarray
    images: np.ndarray
    ignored: int
    num_masks: int
    problems: tuple[str, ...]

    @property
    def absent(self) -> tuple[int, ...]:
        """Ids of classes that no mask shows."""
        return tuple(np.flatnonzero(self.pixels == 0).tolist())

    @property
    def shares(self) -> np.ndarray:
        """Share of each class in the pixels that count, float64 [K]."""
        return self.pixels / max(1, int(self.pixels.sum()))


def count_pixels(reader: Reader, decode: MaskDecoder, advance: Callable[[int], None] | None = None) -> PixelCounts:
    """Decode every mask of ``reader``, in threads; ``advance`` is told how many more were counted.

    Masks of another size than their image are found where the image's size can be had from its header.
    """
    counts = np.zeros((2, 256), np.int64)
    num_masks, problems = 0, EqualProblems()
    blocks = [range(start, min(start + _BLOCK, len(reader))) for start in range(0, len(reader), _BLOCK)]
    with ThreadPoolExecutor(usable_cores(), "masks") as pool:
        for block, (found, sound, errors) in zip(
            blocks, pool.map(lambda block: _count_block(reader, decode, block), blocks), strict=True
        ):
            counts += found
            num_masks += sound
            for error in errors:
                problems.add(error.key, error.reason)
            if advance is not None:
                advance(len(block))
    pixels, images = counts[:, : decode.num_classes]
    lines = problems.lines(SHOWN)
    ignored = int(counts[0, IGNORED])
    if ignored and not pixels[1:].any() and decode.colors is None and decode.label_map.stated == PLAIN.stated:
        lines.append(
            "the masks have the values 0 and 255 alone, and 255 stands for ignored pixels; if they show one class, "
            'give the label map {"map": {"0": 0, "1": 255}}'
        )
    return PixelCounts(pixels, images, ignored, num_masks, tuple(lines))


def check_mask(mask: np.ndarray, reader: Reader, index: int) -> np.ndarray:
    """Return a mask in its image's frame. Raises DataError where their sizes differ.

    Only where the upright size does not settle it is the image file read.
    """
    if not isinstance(reader, Sized) or mask.shape[::-1] == reader.image_size_px(index) or not mask.any():
        return mask
    header = read_header(bytes(reader[index].encoded))
    return mask if header is None else upright_mask(mask, header, reader.key(index))


def _count_block(reader: Reader, decode: MaskDecoder, indices: range) -> tuple[np.ndarray, int, list[DataError]]:
    """Return pixels and masks of each value int64 [2, 256], how many masks are sound, and what is wrong with others."""
    counts = np.zeros((2, 256), np.int64)
    sound = 0
    errors: list[DataError] = []
    for index in indices:
        try:
            mask = check_mask(decode(reader.target(index), reader.key(index)), reader, index)
        except DataError as error:
            errors.append(error)
            continue
        found = np.bincount(mask.ravel(), minlength=256)
        counts += found, found > 0
        sound += 1
    return counts, sound, errors
