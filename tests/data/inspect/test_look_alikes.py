"""Copies and near copies among images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.data.inspect import look_alikes as module
from vision.data.inspect.look_alikes import LookAlikes, difference_hash, groups_to_keep, joined, near_duplicates


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        ([[1, 4]], [0, 1, 2, 3, 1, 5]),
        ([[1, 4], [2, 5]], [0, 1, 2, 3, 1, 2]),
        ([[1, 4], [2, 4], [0, 2]], [0, 0, 0, 3, 0, 5]),
    ],
)
def test_groups_that_share_a_place_are_one(groups: list[list[int]], expected: list[int]) -> None:
    assert joined(groups, 6).tolist() == expected


def test_near_copies_bring_their_exact_copies_along() -> None:
    found = LookAlikes(exact=[[1, 5], [2, 3]], near=[[1, 2]], complete=True)
    group_of, apart = groups_to_keep(found, 6)
    assert group_of.tolist() == [0, 1, 1, 1, 4, 1]
    assert apart == 0


def test_of_a_chain_through_much_of_the_data_only_exact_copies_stay_together() -> None:
    found = LookAlikes(exact=[[0, 1]], near=[[0, *range(2, 90)]], complete=True)
    group_of, apart = groups_to_keep(found, 100)
    assert apart == 90
    assert group_of[:4].tolist() == [0, 0, 2, 3]
    assert len(np.unique(group_of)) == 99


def photo(seed: int) -> np.ndarray:
    """A smooth picture of coloured blobs, uint8 [96, 96, 3]."""
    noise = np.random.default_rng(seed).normal(size=(96, 96, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def recompressed(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


COPIES = {
    "recompressed": recompressed,
    "smaller": lambda image: cv2.resize(image, (40, 40), interpolation=cv2.INTER_AREA),
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=1.0, beta=12),
    "shifted": lambda image: np.roll(image, 1, axis=1),
}


def prints(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    hashes = np.array([difference_hash(image) for image in images], np.uint64)
    return hashes, np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) for image in images])


@pytest.mark.parametrize("in_full", [True, False])
@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_found_among_others(copy: str, in_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not in_full:
        monkeypatch.setattr(module, "MOST_COMPARED_IN_FULL", 0)
    images = [photo(seed) for seed in range(30)]
    images.insert(11, COPIES[copy](images[4]))
    pairs, complete = near_duplicates(*prints(images))
    assert pairs.tolist() == [[4, 11]]
    assert complete is in_full


def test_flat_images_agree_only_in_the_same_colour() -> None:
    images = [np.full((10, 10, 3), shade, np.uint8) for shade in (0, 100, 101, 200)]
    pairs, _ = near_duplicates(*prints(images))
    assert pairs.tolist() == [[1, 2]]


def test_one_image_has_no_copy() -> None:
    assert near_duplicates(*prints([photo(0)]))[0].shape == (0, 2)
