from __future__ import annotations

from pathlib import Path

import pytest

from vision.recipes.data_finder import find_channels, find_data

COCO = '{"images": [], "annotations": [], "categories": []}'
VOC = "<annotation></annotation>"


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = {".json": COCO, ".xml": VOC, ".txt": "0 0.5 0.5 0.1 0.1"}.get(path.suffix, "")
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("names", "channels", "test"),
    [
        (["a/1.jpg", "b/2.png"], {"train": "."}, None),
        (["train/a/1.jpg", "val/a/2.jpg", "test/a/3.jpg"], {"train": "train", "validation": "val"}, "test"),
        (["Train/a/1.jpg", "Valid/a/2.jpg"], {"train": "Train", "validation": "Valid"}, None),
        (["train/a/1.jpg", "test/a/2.jpg"], {"train": "train"}, "test"),
        # Vehicles, not parts.
        (["train/1.jpg", "car/2.jpg"], {"train": "."}, None),
        (["photos/a/1.jpg", "photos/b/2.jpg"], {"train": "photos"}, None),
        (["train.rec", "train.idx", "validation.rec"], {"train": "train.rec", "validation": "validation.rec"}, None),
        (["train.rec", "test.rec"], {"train": "train.rec"}, "test.rec"),
        (["all.rec"], {"train": "."}, None),
        # What a channel would read of such a folder.
        (
            ["train.rec", "val.rec", "test.rec", "Annotations/1.xml", "JPEGImages/1.jpg", "ImageSets/Main/train.txt"],
            {"train": "train.rec", "validation": "val.rec"},
            "test.rec",
        ),
        (["images/1.jpg", "masks/1.png"], {"train": "images", "train_annotation": "masks"}, None),
        (
            ["train/1.jpg", "train_annotation/1.png", "validation/2.jpg", "validation_annotation/2.png"],
            {
                "train": "train",
                "train_annotation": "train_annotation",
                "validation": "validation",
                "validation_annotation": "validation_annotation",
            },
            None,
        ),
        (["instances.json", "images/1.jpg"], {"train": "."}, None),
        (["annotations/train.json", "annotations/val.json"], {"train": ".", "validation": "."}, None),
        (["train/c.coco.json", "train/1.jpg", "valid/c.coco.json"], {"train": "train", "validation": "valid"}, None),
        (["Annotations/1.xml", "JPEGImages/1.jpg"], {"train": "."}, None),
        (
            ["Annotations/1.xml", "JPEGImages/1.jpg", "ImageSets/Main/train.txt", "ImageSets/Main/val.txt"],
            {"train": ".", "validation": "."},
            None,
        ),
        (["train/1.xml", "train/1.jpg", "valid/2.xml", "valid/2.jpg"], {"train": "train", "validation": "valid"}, None),
        (["images/1.jpg", "labels/1.txt"], {"train": "."}, None),
        (["images/train/1.jpg", "labels/train/1.txt", "images/val/2.jpg"], {"train": ".", "validation": "."}, None),
    ],
)
def test_finds_the_parts(tmp_path: Path, names: list[str], channels: dict[str, str], test: str | None) -> None:
    found = find_data(write(tmp_path, *names))
    assert found.channels == {name: tmp_path / path for name, path in channels.items()}
    assert found.test == (None if test is None else tmp_path / test)


def test_a_file_stands_for_its_neighbors(tmp_path: Path) -> None:
    write(tmp_path, "train.rec", "val.rec", "other.rec", "yolo/data.yaml", "yolo/images/1.jpg", "yolo/labels/1.txt")
    assert find_data(tmp_path / "train.rec").channels == {
        "train": tmp_path / "train.rec",
        "validation": tmp_path / "val.rec",
    }
    assert find_data(tmp_path / "other.rec").channels == {"train": tmp_path / "other.rec"}
    assert find_data(tmp_path / "yolo/data.yaml").channels == {"train": tmp_path / "yolo"}


def test_a_second_path_is_for_validation_and_not_left_for_the_end(tmp_path: Path) -> None:
    root = write(tmp_path, "train.rec", "test.rec", "more/val.rec")
    found = find_channels([root / "train.rec", root / "test.rec"])
    assert found.channels == {"train": root / "train.rec", "validation": root / "test.rec"}
    assert found.test is None
    assert find_channels([root / "train.rec", root / "more/val.rec"]).test == root / "test.rec"


def test_masks_beside_a_folder_of_images_are_found(tmp_path: Path) -> None:
    write(tmp_path, "photos/1.jpg", "photos_annotation/1.png")
    assert find_data(tmp_path / "photos").channels == {
        "train": tmp_path / "photos",
        "train_annotation": tmp_path / "photos_annotation",
    }
