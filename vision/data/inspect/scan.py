"""Read every record of a channel in parallel: the image's size and mode, its fingerprint, its label.

Legend: N images of a part of the channel.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vision.data.boxes.image_size import stated_size_of
from vision.data.boxes.object_rows import ObjectRows
from vision.data.image_codec import decode_rgb, prepare_process
from vision.data.inspect.look_alikes import DIGEST_BYTES, THUMBNAIL_SIDE, fingerprint
from vision.data.labels import read_label
from vision.data.masks.label_map import MOST_CLASSES, PLAIN, LabelMap
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import IGNORED
from vision.data.parallel import ordered_map
from vision.data.sample import Colored, Reader
from vision.settings.errors import DataError

PART_IMAGES = 128


class Part(NamedTuple):
    """What is known about images ``first`` to ``first`` + N.

    ``sizes_px`` int32 [N, 2] width and height, 0 where the image is broken. ``digests`` uint8 [N, 16] of the encoded
    bytes. ``hashes`` uint64 [N]: which of neighboring pixels of the shrunk gray image is brighter. ``thumbnails``
    uint8 [N, 8, 8, 3] RGB. ``kinds``: format and mode such as ``JPEG L``. ``labels``: class ids or objects, None where
    unusable; of a mask those are the classes that it shows. ``stated_px``: (width, height) that the label states for
    its image, None without. ``pixels`` int64 [256] counts the pixels of each class in masks. The last two lists name
    (index, reason) of broken images and unusable labels.
    """

    first: int
    sizes_px: np.ndarray
    digests: np.ndarray
    hashes: np.ndarray
    thumbnails: np.ndarray
    kinds: list[str]
    labels: list[tuple[int, ...] | ObjectRows | None]
    stated_px: list[tuple[float, float] | None]
    pixels: np.ndarray
    broken_images: list[tuple[int, str]]
    unusable_labels: list[tuple[int, str]]


def scan(reader: Reader, workers: int, label_map: LabelMap = PLAIN) -> Iterator[Part]:
    """Yield the parts of the channel in order; together they hold every record.

    ``label_map`` says what the pixels of masks mean, unless their source states colors.
    """
    starts = range(0, len(reader), PART_IMAGES)
    yield from ordered_map(_scan_part, (reader, label_map), starts, workers)


def mask_decoder(reader: Reader, label_map: LabelMap) -> MaskDecoder:
    """Return the decoder of a channel's masks, of any number of classes."""
    return MaskDecoder(MOST_CLASSES, label_map, reader.color_map if isinstance(reader, Colored) else None)


def _scan_part(source: tuple[Reader, LabelMap], first: int) -> Part:
    prepare_process()
    reader, label_map = source
    count = min(PART_IMAGES, len(reader) - first)
    part = Part(
        first,
        np.zeros((count, 2), np.int32),
        np.zeros((count, DIGEST_BYTES), np.uint8),
        np.zeros(count, np.uint64),
        np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3), np.uint8),
        [],
        [],
        [],
        np.zeros(256, np.int64),
        [],
        [],
    )
    decode_mask = mask_decoder(reader, label_map)
    for place in range(count):
        _scan_image(reader, first + place, place, part)
        try:
            raw = reader.target(first + place)
            part.stated_px.append(stated_size_of(raw))
            if isinstance(raw, bytes):
                mask = decode_mask.in_frame(decode_mask(raw, ""), reader[first + place].encoded, "")
                counts = np.bincount(mask.ravel(), minlength=256)
                part.labels.append(tuple(np.flatnonzero(counts[:IGNORED]).tolist()))
                part.pixels[:] += counts
            else:
                part.labels.append(read_label(raw, ""))
        except DataError as error:
            if len(part.stated_px) == len(part.labels):
                part.stated_px.append(None)
            part.labels.append(None)
            part.unusable_labels.append((first + place, error.reason))
    return part


def _scan_image(reader: Reader, index: int, place: int, part: Part) -> None:
    try:
        encoded = bytes(reader[index].encoded)
        rgb = decode_rgb(encoded, "")
    except DataError as error:
        part.kinds.append("broken")
        part.broken_images.append((index, error.reason))
        return
    part.kinds.append(kind_of(encoded))
    part.sizes_px[place] = rgb.shape[1::-1]
    part.digests[place], part.hashes[place], part.thumbnails[place] = fingerprint(encoded, rgb)


def kind_of(encoded: bytes) -> str:
    """Return format and pixel mode, such as ``PNG RGBA`` or ``JPEG L`` (gray)."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(encoded)) as image:
            warnings.simplefilter("ignore")
            return f"{image.format} {image.mode}"
    except Exception:  # Pillow knows fewer kinds than OpenCV, and raises whatever the header led to
        return "other"
