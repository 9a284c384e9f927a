"""Counts the pixels of each class in all masks of a channel, and finds the masks that cannot be used.

Legend: K is the number of classes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vision.data.containers.image_parts import BadHeaderError, ImageHeader
from vision.data.image_header import read_header
from vision.data.masks.label_map import PLAIN
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_frame import upright_mask
from vision.data.masks.mask_png import IGNORED, holds_colors
from vision.data.problems import EqualProblems
from vision.data.sample import Headed, Reader
from vision.settings.device import usable_cores
from vision.settings.errors import DataError

SHOWN = 10
# Masks that one thread counts before it hands its sums over.
_BLOCK = 32
_GREY = (
    "the mask is a grey picture saved in color, whose grey levels count as classes; save it as a grey or palette PNG"
)
_TURNED = (
    "the mask has the size that the image is stored in, so it is turned with the image, as its EXIF data say; if it "
    "was drawn on the upright image, store that upright (magick mogrify -auto-orient)"
)


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """What the masks of a channel hold.

    ``pixels`` int64 [K] counts the pixels of each class, ``images`` int64 [K] the masks with at least one, and
    ``ignored`` the pixels that do not count. ``num_masks`` are those that were counted. ``problems`` names the masks
    that cannot be used, a sentence for each kind with the first names, and ``remarks`` those that are used although
    they may be meant otherwise.
    """

    pixels: np.ndarray
    images: np.ndarray
    ignored: int
    num_masks: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

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
    num_masks, problems, remarks = 0, EqualProblems(), EqualProblems()
    blocks = [range(start, min(start + _BLOCK, len(reader))) for start in range(0, len(reader), _BLOCK)]
    with ThreadPoolExecutor(usable_cores(), "masks") as pool:
        for block, (found, sound, errors, odd) in zip(
            blocks, pool.map(lambda block: _count_block(reader, decode, block), blocks), strict=True
        ):
            counts += found
            num_masks += sound
            for error in errors:
                problems.add(error.key, error.reason)
            for key, remark in odd:
                remarks.add(key, remark)
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
    return PixelCounts(pixels, images, ignored, num_masks, tuple(lines), tuple(remarks.lines(SHOWN)))


def _header(reader: Reader, index: int) -> ImageHeader | None:
    """Return the header of an image; None where it cannot be read, which is said where the image is decoded.

    An image that was streamed is gone.
    """
    try:
        return reader.image_header(index) if isinstance(reader, Headed) else read_header(bytes(reader[index].encoded))
    except (DataError, BadHeaderError):
        return None


def _count_block(
    reader: Reader, decode: MaskDecoder, indices: range
) -> tuple[np.ndarray, int, list[DataError], list[tuple[str, str]]]:
    """Count some masks, each as training puts it on its image.

    Returns pixels and masks of each value int64 [2, 256], how many masks are sound, what is wrong with others, and
    what is odd, with its key.
    """
    counts = np.zeros((2, 256), np.int64)
    sound = 0
    errors: list[DataError] = []
    odd: list[tuple[str, str]] = []
    for index in indices:
        key, raw, header = reader.key(index), reader.target(index), _header(reader, index)
        try:
            mask = decode(raw, key)
            if header is not None:
                if header.orientation != 1 and mask.shape == (header.height, header.width) and mask.any():
                    odd.append((key, _TURNED))
                mask = upright_mask(mask, header, key)
        except DataError as error:
            errors.append(error)
            continue
        if decode.colors is None and isinstance(raw, bytes) and holds_colors(raw):
            odd.append((key, _GREY))
        found = np.bincount(mask.ravel(), minlength=256)
        counts += found, found > 0
        sound += 1
    return counts, sound, errors, odd
