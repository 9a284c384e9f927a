"""Filled polygons and runs, against masks drawn by hand and pixel centers tested one by one."""

from __future__ import annotations

import numpy as np
import pytest

from vision.data.masks.rasterize import fill_polygon, fill_runs, paint_objects


def test_a_rectangle_covers_the_pixels_whose_centers_it_holds() -> None:
    corners = np.array([[1, 1], [4, 1], [4, 3], [1, 3]], np.float64)

    assert fill_polygon(corners, (6, 4)).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_polygons_may_leave_the_image() -> None:
    assert fill_polygon(np.array([[-5, -5], [50, -5], [50, 50], [-5, 50]], np.float64), (5, 3)).all()
    assert not fill_polygon(np.array([[9, 9], [12, 9], [12, 12]], np.float64), (5, 3)).any()


def test_any_polygon_follows_the_even_odd_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.data.masks.rasterize._CROSSINGS_AT_ONCE", 20)
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.uniform(-3, 23, (7, 2))
        expected = np.zeros((18, 20), bool)
        for y in range(18):
            for x in range(20):
                for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                    if (y0 > y + 0.5) != (y1 > y + 0.5):
                        expected[y, x] ^= x + 0.5 > x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        assert np.array_equal(fill_polygon(corners, (20, 18)), expected)


def test_runs_go_down_the_columns() -> None:
    # COCO's documentation: two rows, three columns.
    assert fill_runs([1, 2, 1, 1], (3, 2)).astype(int).tolist() == [[0, 1, 1], [1, 0, 0]]


def test_small_objects_cover_large_ones_whatever_their_order() -> None:
    small, large = np.array([[True, False, False]]), np.array([[True, True, False]])

    for objects in ([(1, small), (2, large)], [(2, large), (1, small)]):
        assert paint_objects(objects, (3, 1)).tolist() == [[1, 2, 0]]
