from __future__ import annotations

import math

import numpy as np
import pytest

from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.augmentations.image_random import ImageRandom
from vision.data.augmentations.random_window import RandomWindow
from vision.data.augmentations.window import Window


def test_areas_ratios_and_places_are_those_of_torchvision() -> None:
    rng, shape = ImageRandom(3), (300, 400, 3)
    windows = [RandomWindow(0.2).draw(rng, shape)["window"] for _ in range(2000)]
    areas = np.array([height * width for height, width in (window.shape for window in windows)]) / (300 * 400)
    logs = np.array([math.log(window.shape[1] / window.shape[0]) for window in windows])
    assert 0.19 < areas.min() < 0.21
    assert 0.9 < areas.max() <= 1.0
    assert np.abs(logs).max() <= math.log(4 / 3) + 0.03
    # Small windows always fit: their areas and ratios are uniform.
    small = areas < 0.5
    assert np.mean(areas[small] < 0.35) == pytest.approx(0.5, abs=0.06)
    assert np.mean(logs[small] < 0) == pytest.approx(0.5, abs=0.06)
    assert all(window.inside(shape) == window for window in windows)
    assert {window.left == 0 for window in windows} == {True, False}


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((10, 400), Window(193, 0, 206, 10)),  # 13 of 400 columns: 4/3 of the height
        ((400, 10), Window(0, 193, 10, 206)),  # 13 of 400 rows: the width over 3/4
        ((1, 1), Window(0, 0, 1, 1)),
    ],
)
def test_a_strip_keeps_its_center(shape: tuple[int, int], window: Window) -> None:
    assert RandomWindow(0.9).draw(ImageRandom(0), shape)["window"] == window


def test_boxes_follow_and_those_whose_center_is_cut_off_are_dropped() -> None:
    target = SpatialTarget(np.array([[0.0, 0.0, 0.5, 0.5, 0], [0.4, 0.4, 1.0, 1.0, 1]]))
    moved = RandomWindow(0.5).apply_to_target(target, (100, 100), window=Window(50, 50, 100, 100))
    assert moved.boxes_xyxy_unit.tolist() == [[0.0, 0.0, 1.0, 1.0, 1.0]]
