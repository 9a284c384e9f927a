"""Thumbnails and sheets, pixel by pixel where it matters."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.metrics.evaluation import Box, Evaluation, Example, Gallery, Heat, Overlay
from vision.reports.contact_sheet import (
    SIDE_WITH_BOXES_PX,
    caption_parts,
    contact_sheet,
    make_thumbnail,
    thumbnail,
    thumbnail_side_px,
    under_heat,
    under_overlay,
)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(28, 28, (160, 160)), (100, 50, (80, 160)), (1, 4000, (160, 1)), (600, 800, (160, 120))],
)
def test_the_longer_side_is_the_one_asked_for(height: int, width: int, expected: tuple[int, int]) -> None:
    assert thumbnail(np.zeros((height, width, 3), np.uint8), (), 160).size == expected


def test_pixels_of_small_images_stay_sharp() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 1] = (255, 0, 0)
    pixels = np.asarray(thumbnail(image, (), 160))
    assert {tuple(p) for p in pixels.reshape(-1, 3)} == {(0, 0, 0), (255, 0, 0)}
    assert tuple(pixels[79, 80]) == (255, 0, 0)
    assert tuple(pixels[80, 80]) == (0, 0, 0)


def test_boxes_lie_where_they_are_and_have_the_colour_of_their_role() -> None:
    boxes = (Box((0.25, 0.5, 0.75, 0.9), "", "truth"), Box((0.1, 0.1, 0.2, 0.2), "", "prediction"))
    pixels = np.asarray(thumbnail(np.zeros((320, 320, 3), np.uint8), boxes, 320)).astype(int)
    green = np.argwhere(pixels[..., 1] > 150)
    red = np.argwhere(pixels[..., 0] > 200)
    np.testing.assert_allclose(green.min(axis=0), [160, 80], atol=1)
    np.testing.assert_allclose(green.max(axis=0), [287, 239], atol=1)
    np.testing.assert_allclose(red.min(axis=0), [32, 32], atol=1)


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("truth cat / predicted dog 0.98", [("truth cat", "truth"), ("predicted dog 0.98", "prediction")]),
        ("two missed", [("two missed", "neutral")]),
        ("", [("", "neutral")]),
    ],
)
def test_captions(caption: str, parts: list[tuple[str, str]]) -> None:
    assert caption_parts(caption) == parts


def test_sheet_holds_every_example_and_marks_what_cannot_be_read(evaluation: Evaluation) -> None:
    for gallery in evaluation.galleries:
        side = thumbnail_side_px(gallery)
        assert side == (320 if gallery.title == "Boxes" else 160)
        images = [np.full((60, 40, 3), 7, np.uint8), None][: len(gallery.examples)]
        thumbnails = [
            make_thumbnail(example, image, side) for example, image in zip(gallery.examples, images, strict=True)
        ]
        with Image.open(io.BytesIO(contact_sheet(gallery, thumbnails))) as sheet:
            pixels = np.asarray(sheet)
        assert np.count_nonzero((pixels == 7).all(axis=-1)) > 0.5 * side * side * 2 / 3 * 0.5


def test_sheet_has_rows_of_eight() -> None:
    gallery = Gallery("g", tuple(Example(i, str(i), "x" * 500) for i in range(17)))
    with Image.open(io.BytesIO(contact_sheet(gallery, [None] * 17))) as sheet:
        assert sheet.width == 8 * (160 + 14) + 14
        assert sheet.height == 3 * (160 + 2 * 17 + 2 * 14) + 14


def test_hot_is_red_cold_is_blue_and_outside_nothing_changes() -> None:
    picture = Image.new("RGB", (80, 40), (90, 120, 90))
    heat = Heat(np.array([[0.0, 1.0]], np.float32), (0.25, 0.0, 0.75, 0.5))
    plain, hot = (np.asarray(part).astype(int) for part in (picture, under_heat(picture, heat)))
    assert hot.shape == (40, 80, 3)
    cold_corner, hot_corner = hot[0, 21], hot[0, 58]
    assert cold_corner[2] > cold_corner[0]
    assert hot_corner[0] > hot_corner[2]
    changed = (hot != plain).any(axis=2)
    assert changed[:20, 20:60].all()
    assert not changed[20:].any()
    assert not changed[:, :20].any()
    assert not changed[:, 60:].any()


def test_an_overlay_colors_its_cells_and_hides_nothing_else() -> None:
    picture = Image.new("RGB", (80, 40), (90, 120, 90))
    cells = np.zeros((1, 2, 4), np.uint8)
    cells[0, 1] = (255, 0, 0, 255)
    laid = np.asarray(under_overlay(picture, Overlay(cells)))
    assert (laid[:, :40] == (90, 120, 90)).all()
    assert (laid[:, 40:] == (255, 0, 0)).all()


def test_an_overlay_of_other_proportions_lies_in_the_center() -> None:
    picture = Image.new("RGB", (80, 40), (90, 120, 90))
    laid = np.asarray(under_overlay(picture, Overlay(np.full((4, 4, 4), 255, np.uint8))))
    assert (laid[:, 20:60] == 255).all()
    assert (laid[:, :20] == laid[:, 60:]).all()
    assert (laid[:, :20] == (90, 120, 90)).all()
    # 27 x 13 is 80 x 40 divided by three.
    assert (np.asarray(under_overlay(picture, Overlay(np.full((13, 27, 4), 255, np.uint8)))) == 255).all()


def test_three_overlays_stand_beside_the_image_and_below() -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    overlays = tuple(Overlay(np.full((1, 1, 4), (*color, 255), np.uint8)) for color in colors)
    example = Example(0, "a.jpg", "IoU 0.5", overlays=overlays)
    picture = make_thumbnail(example, np.full((30, 30, 3), 7, np.uint8), 80)
    assert picture is not None
    assert picture.size == (80, 80)
    corners = [picture.getpixel(place) for place in ((0, 0), (79, 0), (0, 79), (79, 79))]
    assert corners == [(7, 7, 7), *colors]


@pytest.mark.parametrize(
    "extra",
    [
        {"heat": Heat(np.ones((2, 2), np.float32), (0.0, 0.0, 1.0, 1.0))},
        {"overlays": (Overlay(np.full((2, 2, 4), 255, np.uint8)),)},
    ],
)
def test_a_pair_fits_where_boxes_would(extra: dict[str, Any]) -> None:
    example = Example(0, "a.jpg", "truth a / predicted b", **extra)
    side = thumbnail_side_px(Gallery("Heat", (example,)))
    assert side == SIDE_WITH_BOXES_PX
    for shape in ((28, 28, 3), (300, 40, 3), (40, 300, 3)):
        picture = make_thumbnail(example, np.zeros(shape, np.uint8), side)
        assert picture is not None
        assert max(picture.size) <= side
        left, right = np.split(np.asarray(picture), 2, axis=1)
        assert not left.any()
        assert right.any()
    assert make_thumbnail(example, None, side) is None
