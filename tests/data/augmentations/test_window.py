from __future__ import annotations

import numpy as np
import pytest

from vision.data.augmentations.window import Window

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(1, 2, 5, 4), Window(1, 2, 5, 4)),
        (Window(-3, -1, 8, 9), Window(0, 0, 6, 4)),
        (Window(4, 1, 9, 3), Window(4, 1, 6, 3)),
        (Window(-5, 0, -2, 4), Window(0, 0, 0, 4)),
        (Window(7, 5, 9, 8), Window(6, 4, 6, 4)),
    ],
)
def test_part_that_the_image_covers(window: Window, expected: Window) -> None:
    assert window.inside(IMAGE.shape) == expected
    assert expected.is_empty == (expected.view(IMAGE).size == 0)


def test_mirrored_window_shows_the_same_pixels() -> None:
    window = Window(1, 0, 4, 3)
    assert np.array_equal(window.mirrored(6).view(IMAGE)[:, ::-1], window.view(IMAGE[:, ::-1]))


@pytest.mark.parametrize(
    ("part", "shape", "size", "expected"),
    [
        # Half the size, exactly.
        (Window(2, 4, 6, 8), (10, 8), (5, 4), Window(1, 2, 3, 4)),
        # 7/3 = 2.33 and 14/3 = 4.67 are rounded.
        (Window(7, 0, 14, 30), (30, 30), (10, 10), Window(2, 0, 5, 10)),
        # A part far smaller than one pixel of the result still gets one, also at the far edge.
        (Window(0, 0, 1, 1), (1000, 1000), (10, 10), Window(0, 0, 1, 1)),
        (Window(999, 999, 1000, 1000), (1000, 1000), (10, 10), Window(9, 9, 10, 10)),
        (Window(0, 0, 30, 20), (20, 30), (300, 300), Window(0, 0, 300, 300)),
    ],
)
def test_place_after_resizing(part: Window, shape: tuple[int, int], size: tuple[int, int], expected: Window) -> None:
    assert part.scaled(shape, size) == expected


def test_canvas_is_filled_around_the_pixels() -> None:
    pixels = np.full((1, 2, 3), 9, np.uint8)
    canvas = Window(1, 1, 3, 2).on_canvas(pixels, (3, 4), 127)
    assert canvas.shape == (3, 4, 3)
    assert canvas[:, :, 0].tolist() == [[127, 127, 127, 127], [127, 9, 9, 127], [127, 127, 127, 127]]


def test_boxes_follow_a_window_and_back() -> None:
    boxes = np.array([[0.25, 0.5, 0.5, 1.0, 7.0], [0.0, 0.0, 1.0, 1.0, 8.0]])
    window = Window(20, 10, 60, 40)  # of an image 80 wide, 40 high
    projected = window.project(boxes, (40, 80))
    # Columns 20..40 of 20..60 are the left half; rows 20..40 of 10..40 are the lower two thirds.
    assert projected == pytest.approx(np.array([[0.0, 1 / 3, 0.5, 1.0, 7.0], [0.0, 0.0, 1.0, 1.0, 8.0]]))
    assert window.unproject(projected, (40, 80)) == pytest.approx(
        np.array([[0.25, 0.5, 0.5, 1.0, 7.0], [0.25, 0.25, 0.75, 1.0, 8.0]])
    )
