"""Hold out a share of a data set: every class in proportion, repeatable, equal and alike images on the same side.

Legend: N images.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.image_codec import decode_rgb, prepare_threads
from vision.data.inspect.look_alikes import Fingerprint, fingerprint, groups_of
from vision.data.inspect.scan import mask_decoder
from vision.data.labels import read_label
from vision.data.masks.label_map import PLAIN, LabelMap
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import IGNORED
from vision.data.sample import RawTarget, Reader
from vision.data.stratification import assign_parts
from vision.settings.device import usable_cores
from vision.settings.errors import DataError, UserError

# The finest division: shares are met to a twentieth.
MOST_FOLDS = 20
# Thumbnails of 8 pixels need no more than this of a photo, and JPEGs are decoded in a fraction of the time.
_ENOUGH_PX = 64


def hold_out(reader: Reader, share: float, seed: int, label_map: LabelMap = PLAIN) -> np.ndarray:
    """Return the sorted indices of about ``share`` of the samples, int64 [n]; the rest keeps an image of every class.

    ``label_map`` says what the pixels of masks mean. Raises UserError where there are too few different images.
    """
    decode = mask_decoder(reader, label_map)
    groups, is_sound = alike_groups(reader)
    # Broken images show nothing, and nothing can be measured on them.
    sound = np.flatnonzero(is_sound)
    labels = [_shown(reader.target(index), decode) for index in sound.tolist()]
    held_out = np.zeros(len(sound), bool)
    different = len(np.unique(groups[sound]))
    if different >= 2:
        ratio = Fraction(share).limit_denominator(min(MOST_FOLDS, different))
        if not 0 < ratio < 1:
            ratio = Fraction(1 if share < 0.5 else different - 1, different)
        fold_of = assign_parts(labels, [1 / ratio.denominator] * ratio.denominator, seed, groups[sound])
        # The first folds get the largest groups.
        held_out = fold_of >= ratio.denominator - ratio.numerator
        _give_back(held_out, labels, groups[sound])
    if not held_out.any():
        raise UserError(
            f"channel 'train' holds {len(sound)} readable images of {len(set().union(*labels))} classes, too few to "
            "hold some out for validation: add different images to each class, or give channels.validation=PATH"
        )
    return sound[held_out]


def _give_back(held_out: np.ndarray, labels: list[Counter[int]], groups: np.ndarray) -> None:
    """Take images out of ``held_out`` bool [N] until the others show every class that any image shows."""
    left = Counter(
        class_id for shown, is_held in zip(labels, held_out.tolist(), strict=True) if not is_held for class_id in shown
    )
    for index in np.flatnonzero(held_out).tolist():
        if any(not left[class_id] for class_id in labels[index]) and held_out[index]:
            members = np.flatnonzero(groups == groups[index])
            held_out[members] = False
            left.update(class_id for member in members.tolist() for class_id in labels[member])


def _shown(raw: RawTarget, decode: MaskDecoder) -> Counter[int]:
    """Return how often an image shows each class; a label that cannot be used shows none."""
    try:
        if isinstance(raw, bytes):
            pixels = np.unique(decode(raw, ""))
            return Counter(pixels[pixels != IGNORED].tolist())
        held = read_label(raw, "")
    except DataError:
        return Counter()
    ids = np.asarray(held.class_ids if isinstance(held, ObjectRows) else held, np.float64)
    return Counter(ids[np.isfinite(ids) & (ids >= 0)].astype(np.int64).tolist())


def alike_groups(reader: Reader) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each image's group, int64 [N], and whether the image can be read, bool [N].

    Copies and images that look alike have the same number.
    """
    prepare_threads()
    # Threads: torch may have started some, so that forking is no longer safe.
    with ThreadPoolExecutor(usable_cores()) as pool:
        found = list(pool.map(partial(_fingerprint, reader), range(len(reader))))
    return groups_of(found, len(reader))[0], np.array([each is not None for each in found])


def _fingerprint(reader: Reader, index: int) -> Fingerprint | None:
    """Return an image's fingerprint; None if it is broken."""
    try:
        encoded = reader[index].encoded
        return fingerprint(encoded, decode_rgb(encoded, "", needed=lambda *_: (_ENOUGH_PX, _ENOUGH_PX)))
    except DataError:
        return None
