from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import converted, images_of, png
from vision.data.readers.open import open_channel
from vision.settings.channels import Channel
from vision.settings.errors import UserError

Write = Callable[..., Path]
BOXES = "0\t2\t6\t0\t0.125\t0.5\t0.25\t1\t1\ta.png\n1\t2\t6\t1\t0\t0\t0\t1\t0\tb.png\n"


@pytest.fixture
def boxes(write: Write) -> Path:
    return write({"l.lst": BOXES, "a.png": png(), "b.png": png(shade=9), "classes.txt": "zebra\napple\n"}) / "l.lst"


def test_what_cannot_be_held_is_said(boxes: Path, tmp_path: Path) -> None:
    done = converted(boxes, "lst", "yolo", tmp_path / "out")
    assert done.notes == (
        "yolo cannot hold id of 2 images",
        "yolo cannot hold difficult of 1 box",
        "1 of 2 boxes have no area and are kept as they are: l.lst line 2 (b.png) box 0 (0, 0, 0, 6)",
    )
    assert (done.images, done.objects, done.class_names) == (2, 2, ("zebra", "apple"))


def test_folders_keep_the_order_of_classes_and_empty_ones(write: Write, tmp_path: Path) -> None:
    root = write({"l.lst": "0\t0\ta.png\n", "a.png": png(), "classes.txt": "zebra\napple\n"})
    done = converted(root / "l.lst", "lst", "folder", tmp_path / "out")
    assert done.notes == ("folder cannot hold id of 1 image",)
    assert (tmp_path / "out/zebra/a.png").read_bytes() == png()
    assert (tmp_path / "out/classes.txt").read_text() == "zebra\napple\n"
    assert open_channel({"train": Channel(tmp_path / "out")}, "train").class_names == ("zebra", "apple")


def test_a_coco_file_is_what_coco_says(boxes: Path, tmp_path: Path) -> None:
    converted(boxes, "lst", "coco", tmp_path / "out")
    document = json.loads((tmp_path / "out/out.json").read_text())
    assert document["categories"] == [
        {"id": 1, "name": "zebra", "supercategory": ""},
        {"id": 2, "name": "apple", "supercategory": ""},
    ]
    assert document["images"][0] == {"id": 0, "file_name": "a.png", "width": 8, "height": 6}
    assert document["annotations"][0] == {
        "id": 1,
        "image_id": 0,
        "category_id": 1,
        "bbox": [1, 3, 1, 3],
        "area": 3,
        "iscrowd": 0,
        "segmentation": [],
        "attributes": {"difficult": True},
    }
    assert (tmp_path / "out/images/a.png").read_bytes() == png()


@pytest.mark.parametrize("images", ["link", "keep"])
def test_images_need_not_be_copied(images: str, boxes: Path) -> None:
    converted(boxes, "lst", "manifest", boxes.parent, images=images)
    (first, _), problems = images_of(boxes.parent / "out.manifest", "manifest")
    assert problems == []
    assert isinstance(first.image, Path)
    assert os.path.samefile(first.image, boxes.parent / "a.png")
    assert (boxes.parent / "images").exists() == (images == "link")


def test_kept_images_must_lie_below_the_output(boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"None of 2 images could be written; first: .* lies outside"):
        converted(boxes, "lst", "manifest", tmp_path / "out", images="keep")
    assert not (tmp_path / "out/out.manifest").exists()


@pytest.mark.parametrize(
    ("target", "folder", "sentence"),
    [
        ("folder", "out", "The input holds boxes, but to=folder holds one class an image"),
        ("yolo", "out.rec", "but to=yolo writes a folder with images and labels"),
        ("lst", "in", "out.lst exists already"),
    ],
)
def test_wrong_outputs_are_refused_at_once(
    target: str, folder: str, sentence: str, boxes: Path, tmp_path: Path
) -> None:
    (tmp_path / "in/out.lst").touch()
    with pytest.raises(UserError, match=sentence):
        converted(boxes, "lst", target, tmp_path / folder)


def test_another_image_of_that_name_is_not_overwritten(boxes: Path, tmp_path: Path) -> None:
    there = tmp_path / "out/images/a.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    done = converted(boxes, "lst", "coco", tmp_path / "out")
    assert done.images == 1
    assert "exists with other content" in done.skipped.sentences[0]
    assert there.read_bytes() == b"mine"


def test_more_classes_than_names(write: Write, tmp_path: Path) -> None:
    root = write({"l.lst": "0\t2\ta.png\n", "a.png": png(), "classes.txt": "zebra\napple\n"})
    with pytest.raises(UserError, match="has the class 2, but names for only 2 classes"):
        converted(root / "l.lst", "lst", "manifest", tmp_path / "out")
