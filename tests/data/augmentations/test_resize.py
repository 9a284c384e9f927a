from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.data.augmentations.resize import (
    ALL_INTERPOLATIONS,
    EnlargeToFit,
    Resize,
    ResizedImageTooLargeError,
    ShortSideResize,
)
from vision.data.image_codec import decode_rgb
from vision.data.readers.recordio import RecordIOReader

MXNET = Path(__file__).parents[2] / "fixtures" / "mxnet"


@pytest.mark.parametrize(
    ("image_size", "side", "expected"),
    [
        ((375, 500), 256, (256, 341)),  # 256 * 500 / 375 = 341.33
        ((500, 375), 256, (341, 256)),
        ((100, 100), 40, (40, 40)),
        ((101, 150), 40, (40, 59)),  # 59.4
        ((33, 47), 66, (66, 94)),  # enlarges too
        ((1, 1000), 3, (3, 3000)),
    ],
)
def test_short_side(image_size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert ShortSideResize(side).size(*image_size) == expected


@pytest.mark.parametrize(
    ("image_size", "expected"),
    [
        ((47, 33), (74, 52)),  # 52 * 47 / 33 = 74.06
        ((40, 50), (41, 52)),  # 52 * 40 / 50 = 41.6
        ((20, 52), (36, 93)),  # 36 * 52 / 20 = 93.6
        ((36, 52), (36, 52)),
        ((300, 200), (300, 200)),
    ],
)
def test_enlarging_until_36_x_52_fits(image_size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert EnlargeToFit(36, 52).size(*image_size) == expected


@pytest.mark.parametrize("resize", [ShortSideResize(256), EnlargeToFit(224, 224)])
def test_a_very_long_image_does_not_exhaust_memory(resize: Resize) -> None:
    with pytest.raises(ResizedImageTooLargeError):
        resize.draw(random.Random(0), (1, 60000, 3))


def test_every_interpolation_is_drawn() -> None:
    resize, rng = Resize(300, 300, ALL_INTERPOLATIONS), random.Random(0)
    counts = Counter(resize.draw(rng, (10, 10, 3))["method"] for _ in range(1000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(150 < count < 250 for count in counts.values())


def test_equals_the_forced_resize_of_mxnet() -> None:
    expected = np.load(MXNET / "det_iter_expected.npz")["data_force_h40_w48_mean"]
    expected = expected.transpose(0, 2, 3, 1) + np.float32([123, 117, 104])
    reader = RecordIOReader([MXNET / "det.rec"])
    resize = Resize(40, 48)
    for index, picture in enumerate(expected):
        image = decode_rgb(reader[index].encoded, "")
        resized = resize.apply(image, **resize.draw(random.Random(0), image.shape))
        assert np.abs(resized - picture).max() <= 3  # another JPEG decoder may differ that much


def test_an_image_of_the_size_is_not_copied() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    assert Resize(5, 7).apply(image, (5, 7), cv2.INTER_LANCZOS4) is image
