"""YOLO data sets in the layouts of Ultralytics, Roboflow, CVAT, Darknet and LabelImg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import converted, images_of, png
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.settings.errors import DataError, UserError

Write = Callable[..., Path]
CAT, DOG = "0 0.5 0.5 0.25 0.5\n", "1 0.5 0.5 0.25 0.5\n"
LISTS = {
    "data.yaml": "nc: 2\nnames: ['cat', 'dog']\n",
    "dataset.yml": "path: .\nnames:\n  0: cat\n  1: dog\n",
    "obj.names": "cat\ndog\n",
    "classes.txt": "cat\ndog\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("folder", "image", "label", "read"),
    [
        ("", "images/a.png", "labels/a.txt", ("", "images")),
        ("labels/", "images/a.png", "labels/a.txt", ("", "images")),
        ("", "train/images/a.png", "train/labels/a.txt", ("", "train", "train/images")),
        ("", "images/val/a.png", "labels/val/a.txt", ("", "images/val", "images")),
        ("", "obj_train_data/a.png", "obj_train_data/a.txt", ("", "obj_train_data")),
        ("", "a.png", "a.txt", ("",)),
        ("train/", "train/a.png", "train/a.txt", ("", "train")),
        ("", "Images/a.PNG", "Labels/a.TXT", ("", "Images")),
        ("", "images/a.png", "images/a.txt", ("", "images")),
    ],
)
def test_layouts_and_lists(name: str, folder: str, image: str, label: str, read: tuple[str, ...], write: Write) -> None:
    root = write({f"{folder}{name}": LISTS[name], image: png(), label: DOG})
    for place in read:
        images, problems = images_of(root / place, "yolo")
        assert problems == []
        assert [[(i.class_id, i.xyxy_px) for i in each.objects or ()] for each in images] == [[(1, (3, 1.5, 5, 4.5))]]
        assert FORMATS["yolo"].source(root / place, SourceOptions()).class_names == ("cat", "dog")


def test_roboflows_darknet_names_lie_in_each_part(write: Write) -> None:
    root = write(
        {
            f"{part}/{name}": text
            for part in ("train", "valid")
            for name, text in (
                ("_darknet.labels", "cat\ndog\n"),
                ("a.png", png()),
                ("a.txt", CAT),
                ("README.txt", "about"),
            )
        }
    )
    assert FORMATS["yolo"].source(root, SourceOptions()).class_names == ("cat", "dog")
    images, problems = images_of(root, "yolo")
    assert ([image.name for image in images], problems) == (["train/a.png", "valid/a.png"], [])
    assert [image.name for image in images_of(root, "yolo", split="valid")[0]] == ["valid/a.png"]
    with pytest.raises(UserError, match="split=test is not a folder of images"):
        FORMATS["yolo"].source(root, SourceOptions(split="test"))


def test_the_yaml_file_itself_can_be_named(write: Write) -> None:
    root = write(
        {"coco8.yaml": LISTS["data.yaml"], "data.yaml": "names: [x]", "images/a.png": png(), "labels/a.txt": CAT}
    )
    assert FORMATS["yolo"].source(root / "coco8.yaml", SourceOptions()).class_names == ("cat", "dog")
    with pytest.raises(DataError, match=r"data.yaml: names the classes x, but .*coco8.yaml cat, dog"):
        FORMATS["yolo"].source(root, SourceOptions())


def test_a_list_of_another_data_set_above_does_not_count(write: Write) -> None:
    root = write({"data.yaml": LISTS["data.yaml"], "mine/images/a.png": png(), "mine/labels/a.txt": CAT})
    assert FORMATS["yolo"].source(root / "mine", SourceOptions()).class_names is None


def test_without_names_it_is_said(write: Write, tmp_path: Path) -> None:
    done = converted(write({"images/a.png": png(), "labels/a.txt": DOG}), "yolo", "coco", tmp_path / "out")
    assert done.class_names == ("0", "1")
    assert any("names no class, so they go by number: give classes=FILE" in note for note in done.notes)


def test_orphans_and_images_without_labels_are_named(write: Write, tmp_path: Path) -> None:
    files = {"images/a.png": png(), "labels/a.txt": CAT, "images/b.png": png(shade=1), "labels/b.jpg.txt": CAT}
    others = {"labels/classes.txt": "cat\n", "labels/train.txt": "images/a.png\n", "readme.txt": CAT, "notes.txt": "1"}
    root = write({**files, **others, "c.txt": CAT, "log.txt": "hello"})
    done = converted(root, "yolo", "recordio", tmp_path / "out")
    reason = f"has no image below {root}"
    assert done.skipped.sentences == [f"c.txt: {reason}", f"labels/b.jpg.txt: {reason}"]
    assert "b.png: has no label file: it counts as an image without objects" in done.notes


def test_two_images_do_not_share_a_label_file(write: Write) -> None:
    root = write({"images/a.png": png(), "images/a.PNG": png(shade=1), "labels/a.txt": CAT})
    images, problems = images_of(root, "yolo")
    assert len(images) == 1
    assert problems == ["a.png: has the label file labels/a.txt of a.PNG: rename one of the two"]


def test_no_label_at_all_is_no_data_set(write: Write) -> None:
    root = write({"images/a.png": png(), "labels/classes.txt": "cat\n"})
    with pytest.raises(UserError, match="holds 1 image, but no label file of any of them"):
        FORMATS["yolo"].source(root, SourceOptions())


def test_more_classes_than_names(write: Write, tmp_path: Path) -> None:
    root = write({"images/a.png": png(), "labels/a.txt": DOG, "data.yaml": "names: [cat]"})
    with pytest.raises(DataError, match="has the class 1, but names for only 1 class"):
        converted(root, "yolo", "voc", tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.125 0.5 0.5 0.5 0.25 1", (1, 3, 4, 6)),
        # What an OBB file holds: four corners.
        ("0 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.5", (2, 1.5, 6, 3)),
    ],
)
def test_polygons_count_as_the_box_around_them(line: str, box: tuple[float, ...], write: Write) -> None:
    (image,), problems = images_of(write({"images/a.png": png(), "labels/a.txt": line}), "yolo")
    assert ([item.xyxy_px for item in image.objects or ()], problems) == ([box], [])
