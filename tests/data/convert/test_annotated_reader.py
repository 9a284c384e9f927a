"""Annotated data sets as channels: the same images and labels as after ``vision convert``."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.convert.conftest import converted, png
from tests.data.convert.test_coco import coco, one_box
from tests.data.convert.test_skipped import voc, voc_object
from tests.data.convert.test_yolo import CAT, DOG, LISTS
from vision.data.convert.formats import CHANNEL_FORMATS, recognize
from vision.data.readers.open import open_channel
from vision.settings.channels import Channel
from vision.settings.errors import DataError, UserError

Write = Callable[..., Path]
ANNOTATION = json.dumps(
    {
        "file": "a.png",
        "image_size": [{"width": 8, "height": 6, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 1, "top": 1, "width": 2, "height": 2}],
        "categories": [{"class_id": 0, "name": "cat"}],
    }
)
SETS: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "coco beside": ("coco", {"_annotations.coco.json": coco(), "0.png": png(), "1.png": png(shade=1)}),
    "coco folders": ("coco", {"annotations/x.json": coco(), "images/0.png": png(), "images/1.png": png(shade=1)}),
    "voc": ("voc", {"Annotations/a.xml": voc(voc_object()), "JPEGImages/a.png": png()}),
    "voc images": ("voc", {"annotations/a.xml": voc(voc_object()), "images/a.png": png()}),
    "voc flat": ("voc", {"a.xml": voc(voc_object()), "a.png": png()}),
    "yolo": ("yolo", {"data.yaml": LISTS["data.yaml"], "images/a.png": png(), "labels/a.txt": DOG}),
    "yolo flat": ("yolo", {"classes.txt": LISTS["classes.txt"], "a.png": png(), "a.txt": CAT}),
    "yolo parts": ("yolo", {"data.yaml": LISTS["data.yaml"], "train/images/a.png": png(), "train/labels/a.txt": CAT}),
    "cvat": ("yolo", {"obj.names": "cat\n", "obj_train_data/a.png": png(), "obj_train_data/a.txt": CAT}),
}


def channels(**paths: Path) -> dict[str, Channel]:
    return {name: Channel(path) for name, path in paths.items()}


@pytest.mark.parametrize("name", SETS)
def test_a_channel_is_what_its_conversion_is(name: str, write: Write, tmp_path: Path) -> None:
    form, files = SETS[name]
    root = write(files)
    found = recognize(root)
    assert found is not None
    assert CHANNEL_FORMATS[found[0]].name == form
    reader = pickle.loads(pickle.dumps(open_channel(channels(train=root), "train")))
    converted(root, form, "recordio", tmp_path / "out")
    records = open_channel(channels(train=tmp_path / "out/out.rec"), "train")
    assert len(reader) == len(records) > 0
    for index in range(len(records)):
        assert bytes(reader[index].encoded) == bytes(records[index].encoded)
        np.testing.assert_array_equal(reader[index].target, records[index].target)
        np.testing.assert_array_equal(reader.target(index), records.target(index))
    assert reader.class_names == tuple((tmp_path / "out/classes.txt").read_text().split())


@pytest.mark.parametrize(
    "files",
    [
        {"cat/a.png": png(), "dog/b.png": png()},
        {"cat/a.png": png(), "cat/notes.txt": "hello", "data.yaml": "names: [cat]"},
        {"a.png": png(), "a.txt": "a cat on a mat"},
        {"a.png": png(), "x.json": '{"images": 3'[:5]},
        {"a.png": png(), "a.xml": "<html/>"},
    ],
)
def test_other_folders_are_not_taken_for_data_sets(files: dict[str, str | bytes], write: Write) -> None:
    assert recognize(write(files)) is None


def test_annotation_json_needs_no_second_channel(write: Write) -> None:
    root = write({"images/a.png": png(), "annotations/a.json": ANNOTATION})
    assert recognize(root) == ("annotation JSON", "annotations/")
    reader = open_channel(channels(train=root), "train")
    assert (len(reader), reader.class_names) == (1, ("cat",))


def test_the_file_itself_is_a_channel_too(write: Write) -> None:
    root = write({"x.json": coco(), "0.png": png(), "1.png": png(shade=1)})
    assert len(open_channel(channels(train=root / "x.json"), "train")) == 2


def test_problems_are_grouped_with_the_command_that_leaves_them_out(write: Write) -> None:
    files = {f"Annotations/{number}.xml": voc(voc_object(), filename=f"{number}.png") for number in range(12)}
    root = write({**files, "JPEGImages/0.png": png()})
    with pytest.raises(DataError) as caught:
        open_channel(channels(train=root), "train")
    first, second, third = str(caught.value).split("\n")
    assert first == f"{root}: 11 problems:"
    assert second.startswith("  11 times, in 1.xml, 10.xml, 11.xml, ...: file '1.png' does not exist below")
    assert third == (
        "Mend them, or leave them out: vision convert from=voc to=recordio "
        f"input={root} output={root.with_name('in.rec')}"
    )


@pytest.mark.parametrize("form", ["voc", "coco"])
def test_a_size_that_contradicts_the_picture_is_refused(form: str, write: Write) -> None:
    entry = {"id": 0, "file_name": "a.png", "width": 6, "height": 8}
    text = {
        "voc": {"Annotations/a.xml": voc(voc_object(), "<width>6</width><height>8</height>")},
        "coco": {"x.json": coco(images=[entry], annotations=one_box())},
    }[form]
    with pytest.raises(DataError, match="states the size 6x8, but the image has 8x6 pixels"):
        open_channel(channels(train=write({**text, "a.png": png()})), "train")


def test_one_folder_for_both_channels_is_read_by_its_lists(write: Write) -> None:
    boxes = {
        f"Annotations/{name}.xml": voc(voc_object(label), filename=f"{name}.png")
        for name, label in (("a", "dog"), ("b", "cat"))
    }
    lists = {"ImageSets/Main/train.txt": "a\n", "ImageSets/Main/val.txt": "b\n"}
    root = write({**boxes, **lists, "JPEGImages/a.png": png(), "JPEGImages/b.png": png(shade=1)})
    both = channels(train=root, validation=root)
    for name, class_id in (("train", 1), ("validation", 0)):
        reader = open_channel(both, name)
        assert (len(reader), reader.class_names) == (1, ("cat", "dog"))
        assert np.asarray(reader.target(0))[2] == class_id
    assert len(open_channel(channels(train=root), "train")) == 2


def test_one_yolo_folder_gives_each_channel_its_part(write: Write) -> None:
    parts = {"train": "a", "val": "b"}
    files = {f"images/{part}/{name}.png": png() for part, name in parts.items()}
    labels = {f"labels/{part}/{name}.txt": DOG for part, name in parts.items()}
    root = write({**files, **labels, "data.yaml": LISTS["data.yaml"]})
    both = channels(train=root, validation=root)
    assert open_channel(both, "train").key(0) == "labels/train/a.txt (train/a.png)"
    assert open_channel(both, "validation").key(0) == "labels/val/b.txt (val/b.png)"


def test_validation_gets_the_ids_of_training(write: Write) -> None:
    files = {
        f"{part}/a.xml": voc("".join(map(voc_object, labels)))
        for part, labels in (("mine", ["ant", "dog", "cat"]), ("yours", ["dog"]), ("theirs", ["cow"]))
    }
    root = write({**files, **{f"{part}/a.png": png() for part in ("mine", "yours", "theirs")}})
    reader = open_channel(channels(train=root / "mine", validation=root / "yours"), "validation")
    assert reader.class_names == ("ant", "cat", "dog")
    assert np.asarray(reader.target(0))[2] == 2
    with pytest.raises(DataError, match="has the class 'cow', which is none of ant, cat, dog"):
        open_channel(channels(train=root / "mine", validation=root / "theirs"), "validation")


def test_names_of_the_trained_model_decide(write: Write) -> None:
    root = write({"data.yaml": LISTS["data.yaml"], "images/a.png": png(), "labels/a.txt": DOG})
    here = channels(validation=root)
    assert open_channel(here, "validation", ("cat", "dog", "bird")).class_names == ("cat", "dog", "bird")
    assert open_channel(here, "validation", ("0", "1")).class_names == ("cat", "dog")
    with pytest.raises(DataError, match="has the classes cat, dog, but training dog, cat: the ids differ"):
        open_channel(here, "validation", ("dog", "cat"))


def test_several_coco_files_are_told_apart_by_the_channel(write: Write) -> None:
    root = write(
        {
            "annotations/train.json": coco(),
            "annotations/val.json": coco(annotations=[]),
            "annotations/x.json": coco(),
            "images/0.png": png(),
            "images/1.png": png(shade=1),
        }
    )
    assert len(np.asarray(open_channel(channels(train=root), "train").target(0))) == 7
    assert len(np.asarray(open_channel(channels(validation=root), "validation").target(0))) == 2
    (root / "annotations/train.json").unlink()
    with pytest.raises(UserError, match=r"holds 2 COCO files .*: give the path of the one for train"):
        open_channel(channels(train=root), "train")
