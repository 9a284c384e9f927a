"""COCO files as labelling tools write and users merge them; pycocotools is the oracle for masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.data.convert.conftest import converted, images_of, png
from vision.data.convert.coco_segmentation import box_of
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.readers.open import open_channel
from vision.data.sample import Remarking
from vision.settings.channels import Channel
from vision.settings.errors import DataError, UserError

Write = Callable[..., Path]
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]


def coco(
    images: list[dict[str, Any]] | None = None,
    annotations: list[dict[str, Any]] | None = None,
    categories: list[dict[str, Any]] | None = None,
) -> str:
    """Two images of 8x6, a box in each, and the categories cat (1) and dog (2), where nothing else is given."""
    boxes = [{"id": n, "image_id": n, "category_id": n + 1, "bbox": [1, 1, 3, 2]} for n in range(2)]
    entries = [{"id": n, "file_name": f"{n}.png", "width": 8, "height": 6} for n in range(2)]
    names = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    found = (images, entries), (annotations, boxes), (categories, names)
    keys = ("images", "annotations", "categories")
    return json.dumps({key: other if given is None else given for key, (given, other) in zip(keys, found, strict=True)})


def one_box(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": 5, "image_id": 0, "category_id": 1, "bbox": [1, 1, 3, 2]} | changes]


@pytest.fixture
def put(write: Write) -> Callable[[str], Path]:
    return lambda text: write({"x.json": text, "0.png": png(), "1.png": png(shade=1)}) / "x.json"


@pytest.mark.parametrize("attributes", [["occluded", "truncated"], "occluded", 7, {"occluded": True}])
def test_attributes_of_any_shape_are_kept_or_told(attributes: Any, put: Callable[[str], Path], tmp_path: Path) -> None:
    path = put(coco(annotations=one_box(attributes=attributes)))
    converted(path, "coco", "coco", tmp_path / "again")
    document = json.loads((tmp_path / "again/out.json").read_text())
    assert document["annotations"][0]["attributes"] == attributes
    done = converted(path, "coco", "yolo", tmp_path / "yolo")
    assert "yolo cannot hold coco.attributes of 1 box" in done.notes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            coco(images=[{"id": 0, "file_name": "0.png"}, {"id": 0, "file_name": "1.png"}]),
            "images 0 (0.png) and 1 (1.png) have the same id 0: give every image an id of its own",
        ),
        (
            coco(images=[{"id": "a", "file_name": "0.png"}, {"id": "a", "file_name": "0.png"}]),
            "images 0 (0.png) and 1 (0.png) have the same id 'a'",
        ),
        (
            coco(categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 1, "name": "bird"}]),
            "categories 0 ('cat') and 2 ('bird') have the same id 1: give every category an id of its own",
        ),
        (
            coco(categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "cat "}]),
            "categories 0 (id 1) and 1 (id 2) have the same name 'cat'",
        ),
        (coco(categories=[{"id": 1, "name": "cat"}, {"id": [2], "name": "dog"}]), "category 1 has no id or no name"),
        (coco(categories=[{"id": 1, "name": ""}]), "category 0 has no id or no name"),
    ],
)
def test_entries_that_cannot_be_told_apart(text: str, sentence: str, put: Callable[[str], Path]) -> None:
    with pytest.raises(DataError) as caught:
        FORMATS["coco"].source(put(text), SourceOptions())
    assert sentence in str(caught.value)


@pytest.mark.parametrize("is_crowd", [1, True, "1"])
def test_crowds_stay_crowds_or_are_left_out(is_crowd: Any, put: Callable[[str], Path], tmp_path: Path) -> None:
    boxes = [*one_box(iscrowd=is_crowd, bbox=[0, 0, 8, 6]), *one_box(id=6)]
    path = put(coco(annotations=boxes))
    converted(path, "coco", "coco", tmp_path / "again")
    document = json.loads((tmp_path / "again/out.json").read_text())
    assert [bool(item["iscrowd"]) for item in document["annotations"]] == [True, False]
    for target in ("recordio", "voc", "yolo", "manifest"):
        done = converted(path, "coco", target, tmp_path / target)
        assert (done.images, done.objects) == (2, 1)
        assert any("has boxes around crowds (iscrowd)" in note for note in done.notes)


def test_what_a_channel_uses_otherwise_is_a_remark_of_its_reader(
    put: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = put(coco(annotations=[*one_box(iscrowd=1, bbox=[0, 0, 8, 6]), *one_box(id=6)]))
    reader = open_channel({"train": Channel(path)}, "train")
    assert isinstance(reader, Remarking)
    (remark,) = reader.remarks
    assert remark.startswith(f"{path}: x.json image 0 (0.png): has boxes around crowds")
    # It is said once, by whoever looks at the labels, not each time that the channel is opened.
    assert not caplog.records


@pytest.mark.parametrize("root_at", [0, 2])
def test_a_root_category_without_boxes_is_no_class(root_at: int, put: Callable[[str], Path], tmp_path: Path) -> None:
    names = [{"id": 1, "name": "cat", "supercategory": "pets"}, {"id": 2, "name": "dog", "supercategory": "pets"}]
    names.insert(root_at, {"id": 0, "name": "pets", "supercategory": "none"})
    done = converted(put(coco(categories=names)), "coco", "lst", tmp_path / "out")
    assert done.class_names == ("cat", "dog")
    assert "x.json category 0: 'pets' stands above all others and has no boxes: it is not a class" in done.notes
    assert [line.split("\t")[3] for line in (tmp_path / "out/out.lst").read_text().splitlines()] == ["0", "1"]


def test_a_supercategory_with_boxes_or_without_children_is_a_class(put: Callable[[str], Path]) -> None:
    names = [{"id": 1, "name": "pets", "supercategory": "none"}, {"id": 2, "name": "dog", "supercategory": "pets"}]
    assert FORMATS["coco"].source(put(coco(categories=names)), SourceOptions()).class_names == ("pets", "dog")
    unused = [{"id": 1, "name": "cat", "supercategory": "a"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "a"}]
    assert FORMATS["coco"].source(put(coco(categories=unused)), SourceOptions()).class_names == ("cat", "dog", "a")


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}])
@pytest.mark.parametrize("segmentation", [[SQUARE], SQUARE, [SQUARE, [6, 4, 7, 4, 7, 5]]])
def test_boxes_come_from_polygons(bbox: dict[str, Any], segmentation: Any, put: Callable[[str], Path]) -> None:
    annotation = {"id": 5, "image_id": 0, "category_id": 1, "segmentation": segmentation, **bbox}
    images, problems = images_of(put(coco(annotations=[annotation])), "coco")
    assert problems == []
    expected = (1, 1, 7, 5) if len(segmentation) == 2 else (1, 1, 4, 3)
    assert [item.xyxy_px for item in images[0].objects or ()] == [expected]


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    drawn = [np.zeros((6, 8), np.uint8) for _ in range(3)]
    drawn[0][1:3, 2:7] = 1
    drawn[1][0, 0] = drawn[1][5, 3] = 1
    drawn[2][:] = 1
    return [*drawn, *((rng.random((37, 23)) < share).astype(np.uint8) for share in (0.004, 0.1, 0.9))]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("compressed", [True, False])
def test_boxes_around_masks_are_those_of_pycocotools(number: int, compressed: bool) -> None:
    mask = masks()[number]
    encoded = coco_mask.encode(np.asfortranarray(mask))
    x, y, width, height = coco_mask.toBbox(encoded).tolist()
    counts: Any = encoded["counts"].decode()
    if not compressed:
        flat = mask.flatten(order="F")
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
        counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    assert box_of({"size": list(mask.shape), "counts": counts}) == (x, y, x + width, y + height)


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 2, 3, 4]], "not a list of at least three points"),
        ([[1, 2, 3, 4, "5", 6]], "a coordinate that is not a number"),
        ([7], "not a list of at least three points"),
        ({"size": [6, 8], "counts": [48]}, "without a pixel"),
        ({"size": [6, 8], "counts": [40, 9]}, "does not fit into its 8x6 pixels"),
        ({"size": [6, 8], "counts": [-1, 9]}, "does not fit"),
        ({"size": [6, 8], "counts": "\u00ff"}, "whose counts cannot be read"),
        ({"size": [6, 8], "counts": "ooooooooooooooooooooooo"}, "whose counts cannot be read"),
        ({"size": [6], "counts": [1]}, "whose size is not height and width"),
        ({"size": [1 << 30, 1 << 30], "counts": [1, 1 << 59]}, "whose size is not height and width"),
    ],
)
def test_segmentations_that_are_none(segmentation: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        box_of(segmentation)


@pytest.mark.parametrize(
    ("size", "stated", "note"),
    [
        ({"width": 0, "height": 0}, None, "states the size 0x0: the image's own is used"),
        ({}, None, "states no size: the image's own is used"),
        ({"width": None, "height": 6}, None, "states the size Nonex6: the image's own is used"),
        ({"width": 8.5, "height": "six"}, None, "states the size 8.5xsix: the image's own is used"),
        ({"width": [8], "height": True}, None, "states the size [8]xTrue: the image's own is used"),
        ({"width": 8.0, "height": "6"}, (8, 6), None),
        ({"width": "8.0", "height": 6}, (8, 6), None),
    ],
)
def test_sizes(size: dict[str, Any], stated: Any, note: str | None, put: Callable[[str], Path], tmp_path: Path) -> None:
    path = put(coco(images=[{"id": 0, "file_name": "0.png", **size}], annotations=one_box()))
    (image,), problems = images_of(path, "coco")
    assert (image.size_px, problems) == (stated, [])
    done = converted(path, "coco", "coco", tmp_path / "out")
    assert [text for text in done.notes if "size" in text] == ([f"x.json image 0 (0.png): {note}"] if note else [])
    entry = json.loads((tmp_path / "out/out.json").read_text())["images"][0]
    assert (entry["width"], entry["height"]) == (8, 6)


@pytest.mark.parametrize("ids", [("a", "b"), ("10", "9"), (1.0, 2.0), (0, -1)])
def test_ids_of_any_kind_as_pycocotools_takes_them(ids: tuple[Any, Any], put: Callable[[str], Path]) -> None:
    entries = [{"id": image_id, "file_name": f"{n}.png", "width": 8, "height": 6} for n, image_id in enumerate(ids)]
    names = [{"id": category_id, "name": f"class {category_id}"} for category_id in ids]
    boxes = [
        {"id": n, "image_id": ids[n], "category_id": ids[1 - n], "bbox": [n, 1, 3, 2], "area": 6, "iscrowd": 0}
        for n in range(2)
    ]
    path = put(coco(entries, boxes, names))
    oracle = COCO(str(path))
    source = FORMATS["coco"].source(path, SourceOptions())
    images, problems = images_of(path, "coco")
    assert problems == []
    for image, image_id in zip(images, ids, strict=True):
        (expected,) = oracle.imgToAnns[image_id]
        (found,) = image.objects or ()
        assert found.xyxy_px[0] == expected["bbox"][0]
        assert (source.class_names or ())[found.class_id] == oracle.cats[expected["category_id"]]["name"]
    assert source.class_names == tuple(
        f"class {each}" for each in sorted(ids, key=float if ids != ("a", "b") else None)
    )


@pytest.mark.parametrize("name", ["C:\\data\\0.png", "/home/me/0.png", "a/b/0.PNG", "images/0.png", "0"])
def test_names_of_other_machines(name: str, put: Callable[[str], Path]) -> None:
    (image,), problems = images_of(put(coco(images=[{"id": 0, "file_name": name, "width": 8, "height": 6}])), "coco")
    assert problems == ["x.json annotation 1: belongs to no image (image_id 1)"]
    assert image.name == "0.png"


def test_two_entries_for_one_image_are_named(put: Callable[[str], Path]) -> None:
    entries = [{"id": 0, "file_name": "a/0.png"}, {"id": 1, "file_name": "b/0.png"}]
    problems = images_of(put(coco(images=entries)), "coco")[1]
    assert problems == [
        "x.json image 1 (b/0.png): has the image '0.png', which is that of x.json image 0 (a/0.png) already: "
        "keep one of the two"
    ]


def test_images_in_the_folder_that_the_file_is_named_after(write: Write) -> None:
    files = {"annotations/instances_val2017.json": coco(), "val2017/0.png": png(), "val2017/1.png": png(shade=1)}
    root = write(files)
    for path in (root / "annotations/instances_val2017.json", root):
        images, problems = images_of(path, "coco")
        assert (len(images), problems) == (2, [])


def test_a_list_of_classes_orders_the_ids(write: Write, put: Callable[[str], Path]) -> None:
    path = put(coco())
    write({"classes.txt": "dog\nbird\ncat\n"})
    images, _ = images_of(path, "coco")
    assert [(image.objects or ())[0].class_id for image in images] == [2, 0]
    write({"classes.txt": "dog\nbird\n"})
    with pytest.raises(DataError, match=r"has the category 'cat', which is none of the classes dog, bird: add it to"):
        FORMATS["coco"].source(path, SourceOptions())


def test_a_folder_with_several_files_is_told(write: Write) -> None:
    with pytest.raises(UserError, match=r"holds 2 .json files \(a.json, b.json\); a COCO data set is one file"):
        FORMATS["coco"].source(write({"a.json": coco(), "b.json": coco()}), SourceOptions())
