"""Images that look alike though their bytes differ: copies that were scaled, compressed, shifted or recoloured.

Legend: N images, P pairs.
"""

from __future__ import annotations

import numpy as np

# Correlation of the 8x8 RGB thumbnails, each less its mean. On CIFAR-10 nearly all pairs above it show one picture.
LEAST_CORRELATION = 0.975
# Mean difference of the thumbnails, of 255: a recoloured copy has less.
MOST_DIFFERENCE = 40.0
# Thumbnails with less contrast than this (standard deviation) have no shape to compare: their colours must agree.
FLAT, FLAT_DIFFERENCE = 4.0, 1.5
# Up to so many images each is compared with each. Beyond, only those with an equal band of their difference hashes.
MOST_COMPARED_IN_FULL = 100_000
BANDS, BAND_BITS, MOST_NEIGHBOURS = 4, 16, 256
_BLOCK = 1024


def near_duplicates(hashes: np.ndarray, thumbnails: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pairs int64 [P, 2] of places, smaller first, sorted; and whether each image was compared with each.

    ``hashes`` uint64 [N] are difference hashes, ``thumbnails`` uint8 [N, 8, 8, 3].
    """
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64), True
    complete = len(hashes) <= MOST_COMPARED_IN_FULL
    candidates = _alike_in_grey(thumbnails) if complete else _alike_in_a_band(hashes)
    return candidates[_look_alike(candidates, thumbnails)], complete


def _alike_in_grey(thumbnails: np.ndarray) -> np.ndarray:
    """Pairs whose grey thumbnails correlate, nearly all that do so in colour; and all pairs of flat ones."""
    grey = thumbnails.astype(np.float32).mean(axis=3).reshape(len(thumbnails), -1)
    grey -= grey.mean(axis=1, keepdims=True)
    contrast = np.linalg.norm(grey, axis=1, keepdims=True)
    shapes = grey / np.maximum(contrast, 1e-3)
    found = []
    for start in range(0, len(shapes), _BLOCK):
        alike = shapes[start : start + _BLOCK] @ shapes[start:].T > LEAST_CORRELATION - 0.015
        corner = alike[:, :_BLOCK]
        corner &= np.triu(np.ones_like(corner), 1)
        first, second = np.divmod(np.flatnonzero(alike), alike.shape[1])
        found.append(np.stack([first, second], axis=1) + start)
    flat = np.flatnonzero(_contrast(thumbnails) < FLAT)
    flat = flat[np.argsort(thumbnails[flat].mean(axis=(1, 2, 3)), kind="stable")]
    # Sorted by brightness, those that agree are neighbours.
    found += [np.sort(np.stack([flat[:-step], flat[step:]], axis=1), axis=1) for step in range(1, min(len(flat), 32))]
    return _unique(found)


def _alike_in_a_band(hashes: np.ndarray) -> np.ndarray:
    """Pairs whose difference hashes agree in one of four bands; of very many such, the neighbours by hash."""
    found = []
    for band in range(BANDS):
        keys = (hashes >> np.uint64(band * BAND_BITS)).astype(np.uint16)
        order = np.lexsort((hashes, keys))
        keys = keys[order]
        for step in range(1, min(len(hashes), MOST_NEIGHBOURS)):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            close = same[_ones(hashes[order[same]] ^ hashes[order[same + step]]) <= 3 * BANDS]
            if not same.size:
                break
            found.append(np.sort(np.stack([order[close], order[close + step]], axis=1), axis=1))
    return _unique(found)


def _ones(words: np.ndarray) -> np.ndarray:
    """Set bits of each uint64 [N]."""
    return np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)


def _unique(pairs: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty((0, 2), np.int64), *pairs]), axis=0)


def _contrast(thumbnails: np.ndarray) -> np.ndarray:
    return np.asarray(thumbnails.reshape(len(thumbnails), -1).std(axis=1))


def _look_alike(pairs: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Whether the thumbnails of each pair agree, bool [P]; in steps that bound the memory."""
    kept = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), 65536):
        here = slice(start, start + 65536)
        first, second = (thumbnails[pairs[here, side]].reshape(-1, 192).astype(np.float32) for side in (0, 1))
        difference = np.abs(first - second).mean(axis=1)
        shapes = [part - part.mean(axis=1, keepdims=True) for part in (first, second)]
        spread = [np.linalg.norm(shape, axis=1) for shape in shapes]
        correlation = (shapes[0] * shapes[1]).sum(axis=1) / np.maximum(spread[0] * spread[1], 1e-6)
        flat = np.minimum(*spread) < FLAT * np.sqrt(192)
        alike = (correlation > LEAST_CORRELATION) & (difference < MOST_DIFFERENCE)
        kept[here] = np.where(flat, difference < FLAT_DIFFERENCE, alike)
    return kept
