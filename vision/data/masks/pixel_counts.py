"""Counts the pixels of each class in all masks of a channel, and finds the masks that cannot be used.

Legend: K is the number of classes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from vision.data.masks.label_map import PLAIN
from vision.data.masks.mask_decoder import MaskDecoder
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

    Masks of another size than their image are found by the rule of training.
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
            'give the label map {"map": {"0": 0, "1": 255}}: channels.label_map= a folder with the files '
            "train_label_map.json and validation_label_map.json"
        )
    return PixelCounts(pixels, images, ignored, num_masks, tuple(lines))


def _in_frame(mask: np.ndarray, decode: MaskDecoder, reader: Reader, index: int) -> np.ndarray:
    """Return a mask as training puts it on its image, but for turns that keep its size: they move pixels alone.

    Raises DataError where the sizes differ. What is wrong with an image is said where it is decoded; one that was
    streamed is gone.
    """
    with suppress(DataError):
        # Most headers lie in the first bytes of a file, so that it need not be read whole.
        if isinstance(reader, Sized) and mask.shape[::-1] == reader.image_size_px(index):
            return mask
    try:
        encoded = reader[index].encoded
    except DataError:
        return mask
    return decode.in_frame(mask, encoded, reader.key(index))


def _count_block(reader: Reader, decode: MaskDecoder, indices: range) -> tuple[np.ndarray, int, list[DataError]]:
    """Return pixels and masks of each value int64 [2, 256], how many masks are sound, and what is wrong with others."""
    counts = np.zeros((2, 256), np.int64)
    sound = 0
    errors: list[DataError] = []
    for index in indices:
        try:
            mask = _in_frame(decode(reader.target(index), reader.key(index)), decode, reader, index)
        except DataError as error:
            errors.append(error)
            continue
        found = np.bincount(mask.ravel(), minlength=256)
        counts += found, found > 0
        sound += 1
    return counts, sound, errors
