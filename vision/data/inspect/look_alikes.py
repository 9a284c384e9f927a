"""Which images are copies or near copies of others: one definition for inspections, splits and folds.

Legend: N images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from vision.data.inspect.near_duplicates import near_duplicates

LONGEST_CHAIN_IMAGES, LONGEST_CHAIN_SHARE = 10, 0.05
HASH_SIDE, THUMBNAIL_SIDE, DIGEST_BYTES = 8, 8, 16


class Fingerprint(NamedTuple):
    """``digest`` uint8 [16] of the bytes; of the looks ``hash`` uint64 and ``thumbnail`` uint8 [8, 8, 3] RGB."""

    digest: np.ndarray
    hash: np.uint64
    thumbnail: np.ndarray


def fingerprint(encoded: bytes | memoryview, rgb: np.ndarray) -> Fingerprint:
    """Of an image and its pixels uint8 [H, W, 3]."""
    thumbnail = cv2.resize(rgb, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    digest = hashlib.blake2b(encoded, digest_size=DIGEST_BYTES).digest()
    return Fingerprint(np.frombuffer(digest, np.uint8), difference_hash(rgb), thumbnail)


def difference_hash(rgb: np.ndarray) -> np.uint64:
    """64 bits that survive scaling and compression: whether each of 8x8 cells is brighter than its left neighbour."""
    small = cv2.resize(rgb, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return np.uint64(int.from_bytes(bits.tobytes(), "big"))


@dataclass(frozen=True)
class LookAlikes:
    """Places of images in groups of at least two: equal byte for byte, and alike where one stands for its equals.

    ``complete`` says whether each image was compared with each.
    """

    exact: list[list[int]]
    near: list[list[int]]
    complete: bool


def find_look_alikes(digests: np.ndarray, hashes: np.ndarray, thumbnails: np.ndarray, sound: np.ndarray) -> LookAlikes:
    """Groups among images whose fingerprints are rows of the arrays; those that are not ``sound`` bool [N] are none."""
    _, first, inverse = np.unique(digests.view("V16").ravel(), return_index=True, return_inverse=True)
    exact = _grouped(np.flatnonzero(sound), inverse.ravel())
    # Of exact copies one stands for all.
    single = np.sort(first)[sound[np.sort(first)]]
    pairs, complete = near_duplicates(hashes[single], thumbnails[single])
    return LookAlikes(exact, _connected(single[pairs]), complete)


def groups_to_keep(found: LookAlikes, count: int) -> tuple[np.ndarray, int]:
    """Number of the group of each of ``count`` images, int64 [N], and how many images are in chains that are too long.

    Where each image resembles the next, as the frames of a film do, a chain may hold half of the data: of one with
    more than a twentieth (and ten images) only exact copies stay together, so that the parts keep their sizes.
    """
    most = max(LONGEST_CHAIN_IMAGES, int(count * LONGEST_CHAIN_SHARE))
    equals = {group[0]: group for group in found.exact}
    chains = [[place for member in group for place in equals.get(member, [member])] for group in found.near]
    too_long = [chain for chain in chains if len(chain) > most]
    kept = [*found.exact, *(chain for chain in chains if len(chain) <= most)]
    return joined(kept, count), sum(map(len, too_long))


def joined(groups: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """Number of the group of each of ``count`` places, int64 [N], where groups that share a place are one."""
    pairs = np.array([(group[0], place) for group in groups for place in group[1:]], np.int64).reshape(-1, 2)
    group_of = np.arange(count)
    for group in _connected(pairs):
        group_of[group] = group[0]
    return group_of


def _grouped(places: np.ndarray, group_of: np.ndarray) -> list[list[int]]:
    """Places with the same group number, where there are at least two."""
    members: dict[int, list[int]] = defaultdict(list)
    counts = np.bincount(group_of[places])
    for place in places[counts[group_of[places]] > 1].tolist():
        members[int(group_of[place])].append(place)
    return list(members.values())


def _connected(pairs: np.ndarray) -> list[list[int]]:
    """Groups of places that pairs connect."""
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
