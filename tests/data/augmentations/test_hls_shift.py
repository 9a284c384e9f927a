from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from vision.data.augmentations.hls_shift import HLSShift

SHIFT = HLSShift(max_hue=36, max_saturation=50, max_lightness=50)


@pytest.mark.parametrize(
    ("rgb", "hls_offsets", "expected"),
    [
        ((100, 100, 100), (0, 20, 0), (120, 120, 120)),
        ((250, 250, 250), (0, 20, 0), (255, 255, 255)),
        ((10, 10, 10), (0, -20, 0), (0, 0, 0)),
        ((255, 0, 0), (30, 0, 0), (255, 255, 0)),  # 60 degrees on from red: yellow
        ((255, 255, 0), (-30, 0, 0), (255, 0, 0)),
        ((255, 0, 0), (-30, 0, 0), (255, 0, 0)),  # hue stops at 0 ...
        ((255, 0, 85), (36, 0, 0), (255, 0, 0)),  # ... and at 180 (from 170)
        ((255, 0, 0), (0, 0, -300), (128, 128, 128)),  # no saturation: grey of the same lightness
        ((12, 34, 56), (0, 0, 0), (12, 34, 56)),
    ],
)
def test_colours(rgb: tuple[int, int, int], hls_offsets: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    image = np.full((4, 1, 3), rgb, np.uint8)
    shifted = SHIFT.apply(image, hls_offsets)
    # 8-bit HLS is coarse: red comes back as (255, 1, 1).
    assert shifted[2, 0].tolist() == pytest.approx(expected, abs=1)
    assert image[2, 0].tolist() == list(rgb)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_equals_the_formula_of_mxnet(seed: int) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (9, 7, 3), np.uint8)
    drawn = SHIFT.draw(random.Random(seed), image.shape)
    hls = cv2.cvtColor(image, cv2.COLOR_RGB2HLS).astype(int) + drawn["hls_offsets"]
    hls = np.clip(hls, 0, [180, 255, 255]).astype(np.uint8)
    assert np.array_equal(SHIFT.apply(image, **drawn), cv2.cvtColor(hls, cv2.COLOR_HLS2RGB)) or not any(
        drawn["hls_offsets"]
    )


def test_offsets_are_uniform_whole_numbers_cut_off_towards_zero() -> None:
    rng = random.Random(11)
    offsets = np.array([SHIFT.draw(rng, (1, 1, 3))["hls_offsets"] for _ in range(20000)])
    for channel, limit in zip(offsets.T, (36, 50, 50), strict=True):
        values, counts = np.unique(channel, return_counts=True)
        # Cutting off gives zero two shares, and the limit itself has probability 0.
        assert values.tolist() == list(range(-limit + 1, limit))
        shares = np.where(values == 0, 2, 1)
        assert chisquare(counts, shares / shares.sum() * len(channel)).pvalue > 0.01


def test_each_channel_has_its_own_probability() -> None:
    shift, rng = HLSShift(18, 32, 32, channel_p=0.5), random.Random(7)
    applied = np.array([shift.draw(rng, (1, 1, 3))["hls_offsets"] for _ in range(4000)]) != 0
    # Of the offsets drawn a share of 1 / limit is zero by itself.
    assert applied.mean(axis=0) == pytest.approx([0.5 * 17 / 18, 0.5 * 31 / 32, 0.5 * 31 / 32], abs=0.03)
    assert (applied[:, 0] & applied[:, 1]).mean() == pytest.approx(0.23, abs=0.03)
