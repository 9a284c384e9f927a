from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vision import algorithms
from vision.algorithms.algorithm import Mark
from vision.reports.drawn_images import COLORS, DrawnImages
from vision.settings.errors import UserError

GREY = np.full((200, 300, 3), 128, np.uint8)
ENCODED = cv2.imencode(".png", GREY)[1].tobytes()


def objects(*found: tuple[str, float, list[float]]) -> list[Mark]:
    described = [{"label": label, "score": score, "box": box} for label, score, box in found]
    return algorithms.get("object_detection").marks({"objects": described})


def labels(**described: object) -> list[Mark]:
    return algorithms.get("image_classification").marks({"label": "cat", "score": 0.5, **described})


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_boxes_lie_where_they_are_and_classes_have_colours(tmp_path: Path) -> None:
    drawn = DrawnImages(tmp_path)
    result = objects(("cat", 0.9, [0.1, 0.25, 0.4, 0.75]), ("dog", 0.8, [0.5, 0.5, 0.9, 0.9]))
    pixels = np.asarray(drawn.draw(GREY, result))
    assert pixels.shape == GREY.shape
    # The most certain object is drawn last; colours are given in that order, and stay.
    dog, cat = map(rgb, COLORS[:2])
    assert tuple(pixels[100, 30]) == cat
    assert tuple(pixels[149, 75]) == cat
    assert tuple(pixels[140, 150]) == dog
    assert tuple(pixels[100, 75]) == (128, 128, 128)
    again = np.asarray(drawn.draw(GREY, objects(("cat", 0.9, [0.1, 0.25, 0.4, 0.75]))))
    assert tuple(again[100, 30]) == cat


@pytest.mark.parametrize(
    "result",
    [
        objects(("x" * 300, 0.5, [-1.0, -5.0, 7.0, 2.0])),
        objects(("up\nside\u202e down", 0.5, [0.9, 0.9, 0.1, 0.1])),
        labels(),
        labels(labels=["cat", "dog"]),
        labels(labels=[]),
    ],
)
def test_anything_a_model_says_can_be_drawn(tmp_path: Path, result: list[Mark]) -> None:
    path = DrawnImages(tmp_path).add("a.png", ENCODED, result)
    assert not np.array_equal(np.asarray(Image.open(path)), GREY)


def test_nothing_found_leaves_the_image(tmp_path: Path) -> None:
    path = DrawnImages(tmp_path).add("a.png", ENCODED, objects())
    np.testing.assert_allclose(np.asarray(Image.open(path)), GREY, atol=2)


def test_large_images_are_shrunk(tmp_path: Path) -> None:
    assert DrawnImages(tmp_path).draw(np.zeros((3000, 6000, 3), np.uint8), objects()).size == (1600, 800)


def test_names_stay_in_the_folder_and_differ(tmp_path: Path) -> None:
    drawn = DrawnImages(tmp_path / "new" / "folder")
    keys = [
        "a/b.jpg",
        "c/b.jpg",
        "../../etc/pass wd",
        "x.rec record 5 (id 3) at byte 7",
        "\u00e4\u00f6",
        "..",
        "C:\\d\\e.png",
    ]
    names = [drawn.add(key, ENCODED, objects()).name for key in keys]
    assert names == [
        "b.jpg.jpg",
        "b.jpg_2.jpg",
        "pass_wd.jpg",
        "x.rec_record_5_id_3_at_byte_7.jpg",
        "image.jpg",
        "image_2.jpg",
        "e.png.jpg",
    ]
    assert len(list((tmp_path / "new" / "folder").iterdir())) == len(keys)


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file cannot be written, since a file stands"):
        DrawnImages(tmp_path / "file")
