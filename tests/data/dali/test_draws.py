from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision import algorithms
from vision.algorithms.image_classification.transforms import FILL_VALUE, ClassificationTransform
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.resize import Resize, ShortSideResize
from vision.data.dali.draws import ImageDraw, draw_image, from_corners, is_supported

SIDE = 32


def transform(level: str, stage: str = "train") -> ClassificationTransform:
    algorithm = algorithms.get("image_classification")
    given = {"num_classes": 2, "num_training_samples": 1, "image_shape": f"3,{SIDE},{SIDE}", "resize": 40}
    return algorithm.transform(algorithm.facts.hyperparameters.parse(given | {"augmentation_type": level}), stage)


@pytest.mark.parametrize("level", ["crop", "crop_color", "crop_color_transform"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_makes_the_transforms_image(level: str, seed: int) -> None:
    wanted = transform(level)
    image = np.random.default_rng(seed).integers(0, 256, (60, 45, 3), dtype=np.uint8)
    draw = draw_image(wanted.augmentations, seed, image.shape[:2])
    made = cv2.resize(image, draw.size[::-1], interpolation=cv2.INTER_LINEAR)
    if level == "crop_color_transform":
        linear = draw.matrix[:, :2]
        # The corner of the first pixel is half a pixel before its centre.
        shift = draw.matrix[:, 2] - 0.5 + linear @ [0.5, 0.5]
        matrix = np.column_stack([linear, shift])
        made = cv2.warpAffine(made, matrix, draw.size[::-1], borderValue=(FILL_VALUE,) * 3)
    else:
        assert draw.matrix.tolist() == [[1, 0, 0], [0, 1, 0]]
    top, left = draw.corner
    made = made[top : top + SIDE, left : left + SIDE]
    made = HLSShift(0, 0, 0).apply(made, hls_offsets=draw.hls_offsets)
    made = made[:, ::-1] if draw.mirrored else made
    expected, _ = wanted(image, None, seed, "image")
    # Rounding the matrix moves single pixels by a level or two.
    assert np.abs(made.astype(int) - expected).mean() < 0.1


def test_draws_spread_over_all_corners_and_both_sides() -> None:
    steps = transform("crop").augmentations
    draws = [draw_image(steps, seed, (40, 42)) for seed in range(2000)]
    corners = np.asarray([draw.corner for draw in draws])
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([0, 0], [8, 10])
    assert np.abs(corners.mean(0) - [4, 5]).max() < 0.3
    assert 0.46 < np.mean([draw.mirrored for draw in draws]) < 0.54


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_of_the_resized_image_is_found_in_a_part_of_the_decoded_one(mirrored: bool) -> None:
    # Twice as high and four times as wide as it is resized to: the crop is rows 14 to 38 and columns 40 to 80.
    draw = ImageDraw((60, 120), (30, 30), np.eye(2, 3, dtype=np.float32), (7, 10), (0, 0, 0), mirrored)
    start, shape, first, last = (array.tolist() for array in draw.part((12, 10)))
    assert start == [0, 24] and shape == [54, 72]
    assert (first, last) == (([14, 56], [38, 16]) if mirrored else ([14, 16], [38, 56]))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[1, 0, 3], [0, 1, -2]], [[1, 0, 3], [0, 1, -2]]),
        # Twice as large about the centre of the first pixel: its corner goes half a pixel further out.
        ([[2, 0, 0], [0, 2, 0]], [[2, 0, -0.5], [0, 2, -0.5]]),
        # A quarter turn of a picture of 4 rows, whose centres lie at 0 to 3: x' = 3 - y, and of corners 4 - y.
        ([[0, -1, 3], [1, 0, 0]], [[0, -1, 4], [1, 0, 0]]),
    ],
)
def test_maps_of_centres_become_maps_of_corners(matrix: list[list[float]], expected: list[list[float]]) -> None:
    assert from_corners(np.asarray(matrix, np.float32)).tolist() == expected


def test_only_known_steps_in_the_pipelines_order_are_supported() -> None:
    crop, mirror, resize = Crop(8, 8, True), Mirror(), ShortSideResize(9)
    assert is_supported(transform("crop_color_transform").augmentations)
    assert is_supported([resize, crop])
    assert not is_supported([crop, resize])
    assert not is_supported([crop, crop])
    assert not is_supported([mirror])
    assert not is_supported([Resize(9, 9), crop])
    assert not is_supported(transform("crop", "validation").augmentations)
