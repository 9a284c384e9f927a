"""VOC folders as labelling tools write them: names of files and folders, lists, sizes, and one set of class ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import converted, images_of, png
from tests.data.convert.test_skipped import voc, voc_object
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.settings.errors import UserError

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("filename", "image"),
    [
        ("a.png", "a.PNG"),
        ("a.PNG", "a.png"),
        ("a", "a.PNG"),
        ("a.v2", "a.v2.png"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ("/home/me/a.png", "a.PNG"),
        ("sub/a.png", "a.png"),
        ("", "a.JPEG"),
        ("lost.png", "a.png"),
    ],
)
def test_images_are_found(filename: str, image: str, write: Write) -> None:
    root = write({"Annotations/a.xml": voc(voc_object(), filename=filename), f"JPEGImages/{image}": png()})
    (found,), problems = images_of(root, "voc")
    assert (found.name, problems) == (image, [])


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations", "images"),
        ("Annotations", "JPEGImages"),
        ("ANNOTATIONS", "Images"),
        ("xmls", "imgs"),
        ("labels", "images"),
        ("Annotations", ""),
        ("", ""),
        ("annotations/train", "images/train"),
    ],
)
def test_usual_folders(annotations: str, images: str, write: Write) -> None:
    root = write({f"{annotations}/a.xml".lstrip("/"): voc(voc_object()), f"{images}/a.png".lstrip("/"): png()})
    found, problems = images_of(root, "voc")
    assert (len(found), problems) == (1, [])
    if annotations and images:
        assert len(images_of(root / annotations.split("/")[0], "voc")[0]) == 1


def test_two_images_that_could_be_meant_are_named(write: Write) -> None:
    root = write({"Annotations/a.xml": voc(""), "JPEGImages/a.PNG": png(), "JPEGImages/a.Png": png(shade=1)})
    images, problems = images_of(root, "voc")
    assert images == []
    assert "could mean a.PNG or a.Png in" in problems[0]


def test_a_copied_annotation_is_for_the_image_of_its_own_name(write: Write) -> None:
    files = {f"Annotations/{name}.xml": voc(voc_object(), filename="b.png") for name in "ab"}
    root = write({**files, "JPEGImages/a.png": png(), "JPEGImages/b.png": png(shade=1)})
    images, problems = images_of(root, "voc")
    assert ([image.name for image in images], problems) == (["a.png", "b.png"], [])


@pytest.mark.parametrize(
    ("size", "stated"),
    [
        ("<width>0</width><height>0</height>", None),
        ("", None),
        ("<width>8</width>", None),
        ("<width>x</width><height>6</height>", None),
        ("<width>8.0</width><height>6.0</height>", (8, 6)),
    ],
)
def test_sizes(size: str, stated: tuple[int, int] | None, write: Write, tmp_path: Path) -> None:
    root = write({"Annotations/a.xml": voc(voc_object(), size=size), "JPEGImages/a.png": png()})
    (image,), problems = images_of(root, "voc")
    assert (image.size_px, problems) == (stated, [])
    done = converted(root, "voc", "lst", tmp_path / "out")
    assert any("the image's own is used" in note for note in done.notes) == (stated is None)
    assert (tmp_path / "out/out.lst").read_text().split("\t")[4] == "0.125"


def split_files() -> dict[str, str | bytes]:
    names = {"a 1": "dog", "b": "cat", "c": "bird"}
    files: dict[str, str | bytes] = {}
    for name, label in names.items():
        files[f"Annotations/{name}.xml"] = voc(voc_object(label), filename=f"{name}.png")
        files[f"JPEGImages/{name}.png"] = png()
    return files


@pytest.mark.parametrize(
    ("lines", "found", "lost"),
    [
        ("a 1\nb\n", ["a 1.png", "b.png"], []),
        ("b.png\nc.xml\n\n", ["b.png", "c.png"], []),
        ("JPEGImages/b.png\nJPEGImages\\c.png\n./a 1\n", ["b.png", "c.png", "a 1.png"], []),
        ("a 1  1\nb -1\nc  0\n", ["a 1.png", "c.png"], []),
        ("\ufeffb\r\nb\r\n", ["b.png"], []),
        ("b\nnone\n", ["b.png"], ["x.txt line 2: names 'none', which has no annotation"]),
    ],
)
def test_lists(lines: str, found: list[str], lost: list[str], write: Write) -> None:
    root = write({**split_files(), "ImageSets/Main/x.txt": lines, "ImageSets/x.txt": "c"})
    for split in ("x", "x.txt"):
        images, problems = images_of(root, "voc", split=split)
        assert ([image.name for image in images], problems) == (found, lost)


def test_every_split_has_the_same_class_ids(write: Write, tmp_path: Path) -> None:
    root = write({**split_files(), "ImageSets/Main/train.txt": "a 1\nb\n", "ImageSets/Main/val.txt": "c\n"})
    for split in ("train", "val"):
        source = FORMATS["voc"].source(root, SourceOptions(split=split))
        assert source.class_names == ("bird", "cat", "dog")
        done = converted(root, "voc", "recordio", tmp_path / "out" / split, split=split)
        assert done.class_names == ("bird", "cat", "dog")
    assert (tmp_path / "out/val/classes.txt").read_text() == "bird\ncat\ndog\n"


@pytest.mark.parametrize("parts", [("train", "valid"), ("Training", "Testing"), ("train2017", "val2017")])
@pytest.mark.parametrize("layout", ["flat", "folders"])
def test_parts_beside_each_other_have_the_same_class_ids(parts: tuple[str, str], layout: str, write: Write) -> None:
    above = ("Annotations/", "JPEGImages/") if layout == "folders" else ("", "")
    root = write(
        {f"{part}/{above[0]}a.xml": voc(voc_object(label)) for part, label in zip(parts, ("dog", "cat"), strict=True)}
        | {f"{part}/{above[1]}a.png": png() for part in parts}
    )
    for part, class_id in zip(parts, (1, 0), strict=True):
        (image,), _ = images_of(root / part, "voc")
        assert [item.class_id for item in image.objects or ()] == [class_id]


def test_what_is_no_part_does_not_count(write: Write) -> None:
    files = {f"{name}/a.xml": voc(voc_object(label)) for name, label in (("mine", "dog"), ("yours", "cat"))}
    root = write({**files, "mine/a.png": png()})
    assert FORMATS["voc"].source(root / "mine", SourceOptions()).class_names == ("dog",)


def test_another_folder_of_other_classes_is_answered_with_classes(write: Write, tmp_path: Path) -> None:
    root = write({"x/a.xml": voc(voc_object("dog")), "x/a.png": png(), "out/classes.txt": "cat\n"})
    with pytest.raises(UserError, match=r"names the classes cat, but the data dog: .*give classes=FILE"):
        converted(root / "x", "voc", "recordio", root / "out")
    assert not (root / "out/out.rec").exists()


def test_a_list_that_names_nothing(write: Write) -> None:
    root = write({**split_files(), "ImageSets/Main/x.txt": "b -1\n"})
    with pytest.raises(UserError, match="split=x names none of the annotations in"):
        FORMATS["voc"].source(root, SourceOptions(split="x"))
