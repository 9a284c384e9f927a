"""Data sets with a class for each pixel, from every format that has them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.convert.conftest import converted, images_of, output_in, png
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.convert.splitting import SplitOptions, split
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import write_mask
from vision.settings.errors import UserError

Write = Callable[..., Path]
# What each of the formats below says of an image of 8x6 pixels: class 1 in the left, class 2 in the right corner.
MASK = np.zeros((6, 8), np.uint8)
MASK[0:2, 0:4], MASK[4:6, 6:8] = 1, 2
LEFT, RIGHT = [0, 0, 4, 0, 4, 2, 0, 2], [6, 4, 8, 4, 8, 6, 6, 6]
NAMES = ("background", "cat", "dog")


def coco(first: object, second: object) -> str:
    annotations = [
        {"id": number, "image_id": 1, "category_id": category, "segmentation": segmentation}
        for number, (category, segmentation) in enumerate([(3, first), (7, second)])
    ]
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
            "annotations": annotations,
            "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        }
    )


def labelme() -> str:
    shapes = [
        {"label": "cat", "shape_type": "rectangle", "points": [[0, 0], [4, 2]]},
        {"label": "dog", "shape_type": "polygon", "points": [[6, 4], [8, 4], [8, 6], [6, 6]]},
    ]
    return json.dumps({"imagePath": "a.png", "shapes": shapes})


def manifest() -> str:
    hexed = {"background": "#000000", "cat": "#800000", "dog": "#008000"}
    colors = {str(key): {"class-name": name, "hex-color": color} for key, (name, color) in enumerate(hexed.items())}
    metadata = {"internal-color-map": colors}
    return json.dumps({"source-ref": "a.png", "m-ref": "m.png", "m-ref-metadata": metadata})


def unit(points: list[int]) -> str:
    return " ".join(str(value / (6 if place % 2 else 8)) for place, value in enumerate(points))


CLASSES = "".join(f"{name}\n" for name in NAMES)
COLORS = "background,0,0,0\ncat,128,0,0\ndog,0,128,0\n"


def in_color(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(write_mask(mask))).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


RUNS = {"size": [6, 8], "counts": [0, 2, 4, 2, 4, 2, 4, 2, 28]}
SETS: dict[str, tuple[str, str, dict[str, str | bytes]]] = {
    "four folders": (
        "masks",
        "train",
        {"train/a.png": png(), "train_annotation/a.png": write_mask(MASK), "train/classes.txt": CLASSES},
    ),
    "VOC": (
        "masks",
        "",
        {
            "JPEGImages/a.png": png(),
            "JPEGImages/without_mask.png": png(),
            "SegmentationClass/a.png": write_mask(MASK),
            "classes.txt": CLASSES,
        },
    ),
    "colors": ("masks", "", {"images/a.png": png(), "masks/a.png": in_color(MASK), "colors.csv": COLORS}),
    "manifest": ("manifest_masks", "t.manifest", {"a.png": png(), "m.png": write_mask(MASK), "t.manifest": manifest()}),
    "COCO polygons": ("coco_masks", "t.json", {"a.png": png(), "t.json": coco([LEFT], [RIGHT])}),
    "COCO runs": ("coco_masks", "t.json", {"a.png": png(), "t.json": coco(RUNS, [RIGHT])}),
    "LabelMe": ("labelme_masks", "", {"a.png": png(), "a.json": labelme()}),
    "YOLO": (
        "yolo_masks",
        "",
        {
            "images/a.png": png(),
            "labels/a.txt": f"0 {unit(LEFT)}\n1 {unit(RIGHT)}\n",
            "data.yaml": "names: [cat, dog]\n",
        },
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_every_format_becomes_sagemaker_s_folders(name: str, write: Write, tmp_path: Path) -> None:
    form, place, files = SETS[name]
    root = write(files)
    options = {"colors": root / "colors.csv"} if "colors.csv" in files else {}

    done = converted(root / place, form, "masks", tmp_path / "out", **options)

    assert (done.images, done.skipped.sentences, done.class_names) == (1, [], NAMES)
    mask = MaskDecoder(3)((tmp_path / "out_annotation" / "a.png").read_bytes(), "")
    assert np.array_equal(mask, MASK)
    assert (tmp_path / "out" / "classes.txt").read_text() == CLASSES


def test_a_list_of_voc_selects_images(write: Write) -> None:
    files = {f"JPEGImages/{name}.png": png() for name in "abc"}
    masks = {f"SegmentationClass/{name}.png": write_mask(MASK) for name in "abc"}
    root = write({**files, **masks, "ImageSets/Segmentation/val.txt": "c\na\n"})

    images, skipped = images_of(root, "masks", split="val")

    assert [image.name for image in images] == ["c.png", "a.png"]
    assert [image.class_ids for image in images] == [(0, 1, 2)] * 2
    assert skipped == []


def test_what_cannot_be_used_is_named(write: Write) -> None:
    masks = {"masks/b.png": write_mask(MASK[:4]), "masks/c.png": png(), "masks/d.png": b"text"}
    root = write({**{f"images/{name}.png": png() for name in "abd"}, **masks})

    images, skipped = images_of(root, "masks")

    assert images == []
    assert skipped == [
        "masks/c.png: has no image in " + str(root / "images"),
        "a.png: has no mask in " + str(root / "masks"),
        "b.png (masks/b.png): the mask has 8x4 pixels, but its image has 8x6; scale the mask by nearest neighbor to "
        "the size of the image",
        skipped[3],
    ]
    assert skipped[3].startswith("d.png (masks/d.png): the mask cannot be read: not an image but text")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_stay_on_images_that_are_turned_by_exif(orientation: int, write: Write, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG", exif=exif)
    root = write({"t/a.jpg": buffer.getvalue(), "t_annotation/a.png": write_mask(MASK)})

    converted(root / "t", "masks", "masks", tmp_path / "out")

    assert np.array_equal(MaskDecoder(3)((tmp_path / "out_annotation" / "a.png").read_bytes(), ""), MASK)


def test_objects_without_pixels_are_left_out(write: Write) -> None:
    root = write({"a.png": png(), "t.json": coco([], [RIGHT])})
    images, skipped = images_of(root / "t.json", "coco_masks")
    assert images[0].class_ids == (0, 2)
    assert skipped == ["t.json image 0 (a.png) annotation 0: has no segmentation, only a box: its pixels are not known"]

    root = write({"y/images/a.png": png(), "y/labels/a.txt": f"0 0.5 0.5 1 1\n1 {unit(RIGHT)}\n"})
    images, skipped = images_of(root / "y", "yolo_masks")
    assert images[0].class_ids == (0, 2)
    assert skipped == ["labels/a.txt line 1: is a box, whose pixels are not known"]


def test_formats_that_are_only_read_say_so(write: Write, tmp_path: Path) -> None:
    root = write(SETS["VOC"][2])
    with pytest.raises(UserError, match="yolo_masks is read but not written"):
        converted(root, "masks", "yolo_masks", tmp_path / "out")
    with pytest.raises(UserError, match="The input holds masks of pixels, but to=coco holds boxes"):
        converted(root, "masks", "coco", tmp_path / "out")


@pytest.mark.parametrize("form", ["manifest_masks", "coco_masks", "labelme_masks"])
@pytest.mark.parametrize("ignored", [False, True])
def test_masks_come_back_from_files_that_hold_all_labels(
    form: str, ignored: bool, write: Write, tmp_path: Path
) -> None:
    """But for ignored pixels, for which COCO has no place, which is said."""
    mask = MASK.copy()
    mask[3, 3] = 255 if ignored else 0
    root = write({"t/sub.png": png(), "t_annotation/sub.png": write_mask(mask), "t/classes.txt": CLASSES})

    done = converted(root / "t", "masks", form, tmp_path / "out")

    output = output_in(tmp_path / "out", form)
    (image,), skipped = images_of(output, form)
    assert skipped == []
    assert FORMATS[form].source(output, SourceOptions()).class_names == NAMES
    keeps = form != "coco_masks"
    assert np.array_equal(image.mask, mask if keeps else MASK)
    said = [note for note in done.notes if "ignored" in note]
    assert said == (["coco_masks cannot hold ignored pixels of 1 image"] if ignored and not keeps else [])


def test_runs_of_coco_are_read_by_its_own_library(write: Write, tmp_path: Path) -> None:
    library = pytest.importorskip("pycocotools.mask")
    root = write({"t/a.png": png(), "t_annotation/a.png": write_mask(MASK), "t/classes.txt": CLASSES})
    converted(root / "t", "masks", "coco_masks", tmp_path / "out")
    document = json.loads(output_in(tmp_path / "out", "coco_masks").read_text())
    assert [category["name"] for category in document["categories"]] == ["cat", "dog"]
    for annotation in document["annotations"]:
        pixels = library.decode(library.frPyObjects(annotation["segmentation"], 6, 8))
        assert np.array_equal(pixels, annotation["category_id"] == MASK)
        assert annotation["area"] == pixels.sum()
        assert annotation["bbox"] == library.toBbox(library.encode(np.asfortranarray(pixels))).tolist()


def test_a_split_spreads_the_classes_that_occur(write: Write, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"t/classes.txt": CLASSES}
    for number in range(40):
        mask = np.zeros((6, 8), np.uint8)
        mask[0, 0] = 1 if number % 4 else 2
        files |= {f"t/{number}.png": png(shade=number), f"t_annotation/{number}.png": write_mask(mask)}
    source = FORMATS["masks"].source(write(files) / "t", SourceOptions())
    options = SplitOptions({"train": 0.5, "validation": 0.5}, keep_copies=False)

    parts = split(source, "masks", tmp_path / "out", options, "copy", 1, lambda count: None)

    assert parts.classes["train"] == parts.classes["validation"] == {"background": 20, "cat": 15, "dog": 5}
    assert len(list((tmp_path / "out" / "validation_annotation").iterdir())) == 20
