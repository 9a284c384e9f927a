"""Masks by color: Ground Truth's color maps and lists of colors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vision.data.masks.color_map import ColorMap, join_color_maps, read_color_list
from vision.data.masks.mask_png import MaskImage
from vision.settings.errors import DataError

CRACKED = {"0": {"class-name": "cracked", "hex-color": "#23A436"}}
NORMAL = {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}}


def entry(name: str, color: str) -> dict[str, str]:
    return {"class-name": name, "hex-color": color}


def test_union_of_all_lines_puts_background_first_and_keeps_the_order_of_keys() -> None:
    lines = [
        {"10": entry("sky", "#0000ff"), "0": entry("BACKGROUND", "#FFFFFF")},
        {"2": entry("road", "#00FF00")},
        {"2": entry("road", "#00ff00"), "1": entry("car", "ff0000")},
    ]

    colors = join_color_maps(lines, "a.manifest")

    assert colors.class_names == ("BACKGROUND", "car", "road", "sky")
    assert not colors.adds_background
    assert colors.class_colors().tolist() == [[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_lines_may_give_one_key_to_several_classes() -> None:
    assert join_color_maps([CRACKED, NORMAL], "a.manifest").class_names == ("BACKGROUND", "cracked")


def test_a_background_is_added_where_none_is_listed() -> None:
    colors = join_color_maps([CRACKED], "a.manifest")

    assert colors.class_names == ("background", "cracked")
    assert colors.adds_background


def test_brush_masks_are_read_by_color_and_alpha_and_not_by_index() -> None:
    # As Ground Truth writes them: every index one color, and the transparency tells.
    palette = np.full((256, 4), (35, 164, 54, 255), np.uint8)
    palette[:, 3] = np.arange(256)
    indices = np.array([[0, 127, 128, 255]], np.uint8)

    assert join_color_maps([CRACKED], "a").classify(MaskImage(indices, palette)).tolist() == [[0, 0, 1, 1]]


def test_near_colors_count_and_others_are_ignored() -> None:
    colors = ColorMap(("a", "b"), (((0, 0, 0), 0), ((200, 100, 0), 1)))
    pixels = np.array([[[0, 0, 0], [200, 100, 0], [205, 95, 8], [100, 50, 0]]], np.uint8)

    assert colors.classify(MaskImage(pixels)).tolist() == [[0, 1, 1, 255]]


def test_transparent_pixels_are_background() -> None:
    pixels = np.array([[[200, 100, 0, 127], [200, 100, 0, 128]]], np.uint8)

    assert ColorMap(("a", "b"), (((0, 0, 0), 0), ((200, 100, 0), 1))).classify(MaskImage(pixels)).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "text",
    [
        "name,r,g,b\nroad,128,64,128\ncar,0,0,142\n",
        "# label:color_rgb:parts:actions\nroad:128,64,128::\ncar:0,0,142::\n",
        "128 64 128 road\n0 0 142 car\n",
        "road #804080\ncar #00008E\n",
        json.dumps({"road": "#804080", "car": [0, 0, 142]}),
    ],
)
def test_lists_of_colors(text: str, tmp_path: Path) -> None:
    path = tmp_path / "colors"
    path.write_text(text)

    colors = read_color_list(path)

    assert colors.class_names == ("road", "car")
    assert colors.entries == (((128, 64, 128), 0), ((0, 0, 142), 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,1,2,3\nb,1,2,3\n", "gives the color #010203 to both 'a' and 'b'"),
        ("a,1,2,3\nb,1,2\n", "line 2 is 'b,1,2'"),
        ("a,1,2,300\n", "names no color"),
        ('{"a": "red"}', "'red' as color of 'a'"),
        ("", "names no color"),
    ],
)
def test_wrong_lists_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "colors"
    path.write_text(text)

    with pytest.raises(DataError, match=reason):
        read_color_list(path)


@pytest.mark.parametrize("stated", [[], [{"0": {"class-name": "a"}}], ["#fff"]])
def test_wrong_color_maps_are_refused(stated: list[object]) -> None:
    with pytest.raises(DataError, match="internal-color-map"):
        join_color_maps(stated, "a.manifest")
