from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from vision.data.augmentations.affine import Affine, centred_matrix
from vision.data.augmentations.crop import Crop
from vision.data.image_codec import decode_rgb
from vision.data.readers.recordio import RecordIOReader

MXNET = Path(__file__).parents[2] / "fixtures" / "mxnet"
LEVEL_3 = Affine(max_angle_deg=10, max_shear=0.1, max_aspect_change=0.25, fill_value=127)


@pytest.mark.parametrize(
    ("angle_deg", "shear", "aspect_ratio", "expected"),
    [
        (0, 0.0, 1.0, [[1, 0, 0], [0, 1, 0]]),
        # (x, y) -> (y, -x): a quarter turn counter-clockwise about (20, 10).
        (90, 0.0, 1.0, [[0, 1, 10], [-1, 0, 30]]),
        (0, 0.1, 1.0, [[1, 0.1, -1], [0, 1, 0]]),
        # h = 2 / 2.25 = 8/9 is the horizontal factor and w = 1.25 h = 10/9 the vertical one.
        (0, 0.0, 1.25, [[8 / 9, 0, 20 / 9], [0, 10 / 9, -10 / 9]]),
        # h a - s b w = -0.1, h b + s a w = 1, translation (40 - (-4 + 20)) / 2 = 12.
        (90, 0.1, 1.0, [[-0.1, 1, 12], [-1, 0, 30]]),
    ],
)
def test_matrix(angle_deg: float, shear: float, aspect_ratio: float, expected: list[list[float]]) -> None:
    matrix = centred_matrix((20, 40), angle_deg, shear, aspect_ratio)
    assert matrix == pytest.approx(np.array(expected), abs=1e-5)


@given(seed=st.integers(0, 2**63 - 1), height=st.integers(1, 600), width=st.integers(1, 600))
@settings(deadline=None, max_examples=100)
def test_draws_stay_in_their_ranges(seed: int, height: int, width: int) -> None:
    matrix = LEVEL_3.draw(random.Random(seed), (height, width, 3))["matrix"].astype(np.float64)
    assert matrix[:, :2] @ [width / 2, height / 2] + matrix[:, 2] == pytest.approx([width / 2, height / 2], abs=1e-3)
    # The second row is w (-sin, cos); with h = 2 - w from h = 2 / (1 + r) and w = r h, the first gives s.
    width_scale = math.hypot(*matrix[1, :2])
    sine, cosine = -matrix[1, 0] / width_scale, matrix[1, 1] / width_scale
    shear = (matrix[0, 1] * cosine - matrix[0, 0] * sine) / width_scale
    angle_deg = math.degrees(math.atan2(sine, cosine))
    aspect_ratio = width_scale / (2 - width_scale)
    assert angle_deg == pytest.approx(round(angle_deg), abs=1e-4)
    assert abs(angle_deg) < 10.001
    assert abs(shear) < 0.10001
    assert 0.7499 < aspect_ratio < 1.2501


def test_every_whole_degree_is_equally_likely() -> None:
    affine, rng = Affine(10, 0.0, 0.0, fill_value=127), random.Random(3)
    matrices = [affine.draw(rng, (9, 9, 3))["matrix"] for _ in range(4200)]
    counts = Counter(round(math.degrees(math.asin(matrix[0, 1]))) for matrix in matrices)
    assert sorted(counts) == list(range(-10, 11))
    assert chisquare(list(counts.values())).pvalue > 0.01


def test_rotation_by_ten_degrees_equals_mxnet() -> None:
    expected = np.load(MXNET / "small_iter_expected.npz")["uint8_rotate10_fill127_centercrop28"]
    reader = RecordIOReader([MXNET / "small.rec"])
    crop = Crop(28, 28, at_random=False)
    for index, picture in enumerate(expected.transpose(0, 2, 3, 1)):
        image = decode_rgb(reader[index].encoded, "")
        rotated = LEVEL_3.apply(image, centred_matrix(image.shape, 10, 0.0, 1.0))
        cut = crop.apply(rotated, **crop.draw(random.Random(0), rotated.shape))
        # OpenCV 5 interpolates a little more exactly than the 4.x of the fixture.
        difference = np.abs(cut.astype(int) - picture)
        assert difference.max() <= 4
        assert difference.mean() < 0.4


def test_uncovered_corners_are_filled() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    turned = LEVEL_3.apply(image, centred_matrix(image.shape, 45, 0.0, 1.0))
    assert turned.shape == image.shape
    assert (turned[[0, 0, -1, -1], [0, -1, 0, -1]] == 127).all()
    assert (turned[15:25, 15:25] == 0).all()
