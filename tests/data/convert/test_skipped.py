"""What each format cannot read is left out, named with its reason; the rest is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import converted, images_of, png

Write = Callable[..., Path]


def voc(objects: str, size: str = "<width>8</width><height>6</height>", filename: str = "a.png") -> str:
    return f"<annotation><filename>{filename}</filename><size>{size}</size>{objects}</annotation>"


def voc_object(name: str = "cat", box: tuple[object, ...] = (1, 2, 3, 4), more: str = "") -> str:
    corners = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<annotation>", "is not XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "declares a DOCTYPE"),
        ("<html/>", "begins with <html>"),
        (voc("", filename="../../secret.png"), "path '../../secret.png' must be relative to"),
        (voc("", filename="lost.png"), "file 'lost.png' does not exist below"),
    ],
)
def test_voc_files(xml: str, reason: str, write: Write) -> None:
    root = write(
        {
            "Annotations/bad.xml": xml,
            "Annotations/b.xml": voc(voc_object(), filename="b.png"),
            "JPEGImages/a.png": png(),
            "JPEGImages/b.png": png(),
            "secret.png": png(),
        }
    )
    images, problems = images_of(root, "voc")
    assert [image.name for image in images] == ["b.png"]
    assert len(problems) == 1
    assert problems[0].startswith("bad.xml: ")
    assert reason in problems[0]


def test_voc_objects(write: Write) -> None:
    boxes = [
        voc_object(),
        voc_object(box=(1, 2, "x", 4)),
        voc_object("dog", (0.5, 1, 2, 3), "<difficult>1</difficult>"),
    ]
    boxes.append(voc_object("lion", more="<pose>Left</pose><truncated>1</truncated>"))
    root = write({"Annotations/a.xml": voc("".join(boxes)), "JPEGImages/a.png": png(), "classes.txt": "dog\ncat\n"})
    (image,), problems = images_of(root, "voc", one_based=True)
    assert [item.class_id for item in image.objects or ()] == [1, 0]
    assert [item.xyxy_px for item in image.objects or ()] == [(0, 1, 2, 3), (-0.5, 0, 1, 2)]
    assert [item.difficult for item in image.objects or ()] == [False, True]
    assert problems == [
        "a.xml object 1: has xmax='x', which must be a number of pixels",
        "a.xml object 3: has the class 'lion', which is none of dog, cat: add it to classes=FILE or classes.txt",
    ]


def test_coco(write: Write) -> None:
    document = {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 8, "height": 6},
            {"id": 8, "file_name": "lost.png", "width": 8, "height": 6},
            {"id": 9, "file_name": "a.png", "width": None, "height": 6},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3.5, 1], "iscrowd": 1, "segmentation": []},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3]},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 4, "image_id": 77, "category_id": 2, "bbox": [1, 2, 3, 4]},
        ],
        "categories": [{"id": 90, "name": "brush"}, {"id": 2, "name": "cat"}],
    }
    root = write({"x.json": json.dumps(document), "images/a.png": png()})
    (image,), problems = images_of(root / "x.json", "coco")
    (item,) = image.objects or ()
    assert (item.class_id, item.xyxy_px, item.extra) == (1, (1, 2, 4.5, 3), {"coco.iscrowd": 1})
    assert [problem.split(": ")[0] for problem in problems] == [
        "x.json annotation 3",
        "x.json image 0 (a.png) annotation 2",
        "x.json image 0 (a.png) annotation 3",
        "x.json image 1 (lost.png)",
        "x.json image 2 (a.png)",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.2", "has 4 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3", "has 6 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "has 8 numbers"),
        ("0 0.1 0.1 0.2 inf 0.3 0.3", "finite numbers"),
        ("0 0.1 0.1 0.2 x 0.3 0.3", "a class and numbers"),
        ("x 0.5 0.5 0.2 0.2", "must be five numbers"),
        ("-1 0.5 0.5 0.2 0.2", "has the class -1"),
        ("0 50 50 20 20", "fractions of the image"),
        ("0 nan 0.5 0.2 0.2", "fractions of the image"),
    ],
)
def test_yolo_lines(line: str, reason: str, write: Write) -> None:
    # 0.515625 and 0.21875 of 640 are 330 and 140; six decimals are what YOLO's tools write.
    good = "1 0.515625 0.401042 0.218750 0.145833"
    root = write({"images/a.png": png(640, 480), "labels/a.txt": f"{line}\n{good}\n", "labels/alone.txt": good})
    (image,), problems = images_of(root, "yolo")
    assert [(item.class_id, item.xyxy_px) for item in image.objects or ()] == [(1, (260, 157.5, 400, 227.5))]
    assert problems[0].startswith("labels/alone.txt: has no image")
    assert problems[1].startswith("labels/a.txt line 1: ")
    assert reason in problems[1]


def test_manifest(write: Write) -> None:
    def line(**changes: object) -> str:
        return json.dumps({"source-ref": "s3://bucket/a.png", "c": "1", "c-metadata": {"class-name": "dog"}} | changes)

    bad = [line(c=[1]), line(c=None), '{"c": 1}', "{", line(**{"source-ref": "https://x/a.png"}), line(c=-1)]
    root = write({"m.manifest": "\n".join([line(), *bad, line(c=0, **{"c-metadata": {}}), ""]), "a.png": png()})
    images, problems = images_of(root / "m.manifest", "manifest")
    assert [(image.class_ids, image.extra["address"]) for image in images] == [
        ((1,), "s3://bucket/a.png"),
        ((0,), "s3://bucket/a.png"),
    ]
    assert [problem.split(":")[0].split(" (")[0] for problem in problems] == [
        f"m.manifest line {n}" for n in range(2, 8)
    ]


def test_list(write: Write) -> None:
    lines = ["0\t1\ta.png", "x\t1\ta.png", "1\t1\tlost.png", "2\t1\t../x.png", "3\t0\t1\ta.png", "4\t1.5\ta.png"]
    root = write({"l.lst": "\n".join(lines) + "\n", "a.png": png()})
    images, problems = images_of(root / "l.lst", "lst")
    assert [(image.name, image.class_ids, image.extra) for image in images] == [("a.png", (1,), {"id": 0})]
    assert [problem.split(": ")[0] for problem in problems] == [f"l.lst line {number}" for number in range(2, 7)]


def test_broken_images_and_wrong_sizes_are_not_converted(write: Write, tmp_path: Path) -> None:
    files = {f"Annotations/{name}.xml": voc(voc_object(), filename=f"{name}.png") for name in "abc"}
    images = {"JPEGImages/a.png": png(), "JPEGImages/b.png": png()[:-20], "JPEGImages/c.png": png(6, 8)}
    done = converted(write({**files, **images}), "voc", "recordio", tmp_path / "out")
    assert done.images == 1
    assert [sentence.split(": ")[0] for sentence in done.skipped.sentences] == ["b.xml (b.png)", "c.xml (c.png)"]
    assert "is cut off after" in done.skipped.sentences[0]
    assert "states the size 8x6, but the image has 6x8" in done.skipped.sentences[1]


def test_two_images_that_would_share_a_label_file(write: Write, tmp_path: Path) -> None:
    lines = "".join(f"{n}\t2\t5\t0\t0.1\t0.1\t0.5\t0.5\t{name}\n" for n, name in enumerate(("a.png", "a.jpg")))
    root = write({"l.lst": lines, "a.png": png(), "a.jpg": png(shade=1)})
    for target in ("voc", "yolo", "annotation_json"):
        done = converted(root / "l.lst", "lst", target, tmp_path / target)
        assert done.images == 1
        assert "belongs to an earlier image already" in done.skipped.sentences[0]
