from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.data.augmentations.expand import Expand
from vision.data.augmentations.window import Window

EXPAND = Expand(max_scale=4.0, fill_value=127)


@given(seed=st.integers(0, 2**63 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
@settings(deadline=None, max_examples=150)
def test_the_image_and_its_boxes_lie_on_a_filled_canvas(seed: int, height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    window = EXPAND.draw(random.Random(seed), image.shape)["window"]
    canvas = EXPAND.apply(image, window)
    whole = EXPAND.apply_to_bboxes(np.array([[0.0, 0.0, 1.0, 1.0]]), window, image.shape)[0]
    assert canvas.shape[:2] == window.shape
    assert height <= canvas.shape[0] <= 4 * height
    assert width <= canvas.shape[1] <= 4 * width
    left, top, right, bottom = np.rint(whole * np.tile(canvas.shape[1::-1], 2)).astype(int)
    assert (right - left, bottom - top) == (width, height)
    assert not canvas[top:bottom, left:right].any()
    canvas[top:bottom, left:right] = 127
    assert (canvas == 127).all()


def test_scale_and_place_are_uniform() -> None:
    rng = random.Random(1)
    windows = np.array([EXPAND.draw(rng, (1000, 1000, 3))["window"] for _ in range(4000)])
    scale = (windows[:, 2] - windows[:, 0]) / 1000
    counts, _ = np.histogram(scale, bins=6, range=(1, 4))
    assert counts.sum() == 4000
    assert counts.min() > 580
    assert (scale == 1.0).mean() == pytest.approx(0.05 / 3, abs=0.008)  # less than 5 % is left away
    assert scale[scale > 1].min() >= 1.049
    windows, scale = windows[scale > 1.2], scale[scale > 1.2]
    place = -windows[:, 0] / 1000 / (scale - 1)
    assert np.histogram(place, bins=4, range=(0, 1))[0].min() > 0.22 * len(place)


def test_fixed_window() -> None:
    image = np.ones((2, 2, 3), np.uint8)
    canvas = EXPAND.apply(image, Window(-1, 0, 3, 2))
    assert canvas[:, :, 0].tolist() == [[127, 1, 1, 127]] * 2
