"""Find images that are copies or near copies of others, for inspections, splits and folds.

Near copies look alike though their bytes differ: they were scaled, compressed, shifted or recolored.

Legend: N images, P pairs.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

LONGEST_CHAIN_IMAGES, LONGEST_CHAIN_SHARE = 10, 0.05
HASH_SIDE, THUMBNAIL_SIDE, DIGEST_BYTES = 8, 8, 16
# Correlation of the 8x8 RGB thumbnails, each less its mean. On CIFAR-10 nearly all pairs above it show one picture.
LEAST_CORRELATION = 0.975
# Mean difference of the thumbnails, of 255: a recolored copy has less.
MOST_DIFFERENCE = 40.0
# Thumbnails with less contrast than this (standard deviation) have no shape to compare: their colors must agree.
FLAT, FLAT_DIFFERENCE = 4.0, 1.5
# Up to this number of images each is compared with each; beyond it, only those whose difference hashes share a band.
MOST_COMPARED_IN_FULL = 100_000
BANDS, BAND_BITS, MOST_NEIGHBOURS = 4, 16, 256
_BLOCK = 1024


class Fingerprint(NamedTuple):
    """What is compared: ``digest`` uint8 [16] of the bytes, ``hash`` uint64, ``thumbnail`` uint8 [8, 8, 3] RGB."""

    digest: np.ndarray
    hash: np.uint64
    thumbnail: np.ndarray


def fingerprint(encoded: bytes | memoryview, rgb: np.ndarray) -> Fingerprint:
    """Return the fingerprint of an encoded image and its pixels ``rgb`` uint8 [H, W, 3]."""
    thumbnail = cv2.resize(rgb, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    digest = hashlib.blake2b(encoded, digest_size=DIGEST_BYTES).digest()
    return Fingerprint(np.frombuffer(digest, np.uint8), difference_hash(rgb), thumbnail)


def difference_hash(rgb: np.ndarray) -> np.uint64:
    """Return 64 bits that survive scaling and compression: whether a cell of 8x8 is brighter than its left neighbor."""
    small = cv2.resize(rgb, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    bits = np.packbits(gray[:, 1:] > gray[:, :-1])
    return np.uint64(int.from_bytes(bits.tobytes(), "big"))


@dataclass(frozen=True)
class LookAlikes:
    """Groups of at least two places: images of equal bytes, and images that look alike (one of each ``exact`` group).


    ``complete`` says whether each image was compared with each.
    """

    exact: list[list[int]]
    near: list[list[int]]
    complete: bool


def find_look_alikes(digests: np.ndarray, hashes: np.ndarray, thumbnails: np.ndarray, sound: np.ndarray) -> LookAlikes:
    """Group the images whose fingerprints are rows of the arrays, leaving out those that are not ``sound`` bool [N]."""
    _, first, inverse = np.unique(digests.view("V16").ravel(), return_index=True, return_inverse=True)
    exact = grouped(np.flatnonzero(sound), inverse.ravel())
    # Of exact copies one stands for all.
    single = np.sort(first)[sound[np.sort(first)]]
    pairs, complete = near_duplicates(hashes[single], thumbnails[single])
    return LookAlikes(exact, connected(single[pairs]), complete)


def groups_to_keep(found: LookAlikes, count: int) -> tuple[np.ndarray, int]:
    """Return the group number of each of ``count`` images, int64 [N], and the number of images in chains too long.

    Where each image resembles the next, as the frames of a film do, a chain may hold half of the data: of one with
    more than a twentieth (and ten images) only exact copies stay together, so that the parts keep their sizes.
    """
    most = max(LONGEST_CHAIN_IMAGES, int(count * LONGEST_CHAIN_SHARE))
    equals = {group[0]: group for group in found.exact}
    chains = [[place for member in group for place in equals.get(member, [member])] for group in found.near]
    too_long = [chain for chain in chains if len(chain) > most]
    kept = [*found.exact, *(chain for chain in chains if len(chain) <= most)]
    return joined(kept, count), sum(map(len, too_long))


def groups_of(fingerprints: Iterable[Fingerprint | None], count: int) -> tuple[np.ndarray, int]:
    """Group ``count`` images by their fingerprints, None for a broken one; returns what ``groups_to_keep`` does."""
    digests = np.zeros((count, DIGEST_BYTES), np.uint8)
    hashes = np.zeros(count, np.uint64)
    thumbnails = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3), np.uint8)
    sound = np.zeros(count, bool)
    for place, found in enumerate(fingerprints):
        if found is not None:
            digests[place], hashes[place], thumbnails[place] = found
            sound[place] = True
    return groups_to_keep(find_look_alikes(digests, hashes, thumbnails, sound), count)


def joined(groups: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """Return the group number of each of ``count`` places, int64 [N]; groups that share a place are joined."""
    pairs = np.array([(group[0], place) for group in groups for place in group[1:]], np.int64).reshape(-1, 2)
    group_of = np.arange(count)
    for group in connected(pairs):
        group_of[group] = group[0]
    return group_of


def grouped(places: np.ndarray, group_of: np.ndarray) -> list[list[int]]:
    """Return the places of each group number that occurs at least twice."""
    members: dict[int, list[int]] = defaultdict(list)
    counts = np.bincount(group_of[places])
    for place in places[counts[group_of[places]] > 1].tolist():
        members[int(group_of[place])].append(place)
    return list(members.values())


def connected(pairs: np.ndarray) -> list[list[int]]:
    """Return the connected components of the pairs."""
    parent: dict[int, int] = {}

    def root(place: int) -> int:
        while parent.setdefault(place, place) != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for first, second in pairs.tolist():
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in sorted(parent):
        groups[root(place)].append(place)
    return list(groups.values())


def near_duplicates(hashes: np.ndarray, thumbnails: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return sorted pairs int64 [P, 2] of places, smaller first, and whether every image was compared with every other.

    ``hashes`` uint64 [N] are difference hashes, ``thumbnails`` uint8 [N, 8, 8, 3].
    """
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64), True
    complete = len(hashes) <= MOST_COMPARED_IN_FULL
    candidates = _alike_in_gray(thumbnails) if complete else _alike_in_a_band(hashes)
    return candidates[look_alike(candidates, thumbnails)], complete


def _alike_in_gray(thumbnails: np.ndarray) -> np.ndarray:
    """Return pairs whose gray thumbnails correlate (nearly all that do so in color), and pairs of flat ones."""
    gray = thumbnails.astype(np.float32).mean(axis=3).reshape(len(thumbnails), -1)
    gray -= gray.mean(axis=1, keepdims=True)
    contrast = np.linalg.norm(gray, axis=1, keepdims=True)
    shapes = gray / np.maximum(contrast, 1e-3)
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
    """Return pairs whose difference hashes agree in one of four bands; of very many such, the neighbors by hash."""
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
    """Return the number of set bits of each uint64 [N]."""
    return np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)


def _unique(pairs: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty((0, 2), np.int64), *pairs]), axis=0)


def _contrast(thumbnails: np.ndarray) -> np.ndarray:
    return np.asarray(thumbnails.reshape(len(thumbnails), -1).std(axis=1))


def look_alike(pairs: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Return whether the thumbnails of each pair agree, bool [P], in steps that bound the memory."""
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
