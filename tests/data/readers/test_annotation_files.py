"""The annotation files of SageMaker's image format for boxes."""

from __future__ import annotations

import json
import pickle

import pytest

from vision.data.readers.annotation_files import AnnotationFilesReader
from vision.data.sample import Reader
from vision.settings.errors import DataError

BOX = {"class_id": 0, "left": 1, "top": 1, "width": 2, "height": 2}


def annotation(file: object = None, categories: object = None, **more: object) -> str:
    content = {"image_size": [{"width": 4, "height": 3, "depth": 3}], "annotations": [BOX], **more}
    if file is not None:
        content["file"] = file
    if categories is not None:
        content["categories"] = categories
    return json.dumps(content)


def category(class_id: object, name: object) -> dict[str, object]:
    return {"class_id": class_id, "name": name}


@pytest.mark.parametrize(
    "files",
    [
        {"i/a.png": None, "j/a.json": annotation("a.png")},
        {"i/sub/a.png": None, "j/a.json": annotation("sub/a.png")},
        {"i/a.png": None, "j/other name.json": annotation("a.png")},
        {"i/a.png": None, "j/a.json": annotation("train/a.png")},
        {"i/a.png": None, "j/a.json": annotation()},
        {"i/sub/a.png": None, "j/sub/a.json": annotation()},
        {"i/sub/a.png": None, "j/a.json": annotation()},
        {"i/a.png": None, "i/readme.txt": "", "j/a.json": annotation(), "j/classes.txt": "", "j/.x.json": ""},
    ],
)
def test_an_image_finds_its_file(tree, files: dict[str, str | None]) -> None:
    root = tree(files)
    reader = AnnotationFilesReader(root / "i", root / "j")
    assert isinstance(reader, Reader)
    assert len(reader) == 1
    image = next(root / name for name in files if name.endswith(".png"))
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        assert copy[0].encoded == image.read_bytes()
        assert copy[0].target["annotations"] == [BOX]
        assert copy.target(0) == copy[0].target


def test_equal_names_in_different_folders_are_told_apart(tree) -> None:
    files = {f"i/{part}/a.png": None for part in "xy"}
    root = tree({**files, **{f"j/{part}/a.json": annotation(name=part) for part in "xy"}})
    reader = AnnotationFilesReader(root / "i", root / "j")
    assert [reader.target(index)["name"] for index in range(2)] == ["x", "y"]
    assert [reader.key(index) for index in range(2)] == ["j/x/a.json (x/a.png)", "j/y/a.json (y/a.png)"]


def test_categories_are_the_union_over_files(tree) -> None:
    root = tree(
        {
            "i/a.png": None,
            "i/b.png": None,
            "j/a.json": annotation(categories=[category(1, "cat")]),
            "j/b.json": annotation(categories=[category(0, "dog"), category(1, "cat")]),
        }
    )
    assert AnnotationFilesReader(root / "i", root / "j").class_names == ("dog", "cat")


GOOD = {"i/a.png": None, "j/a.json": annotation(categories=[category(0, "dog")])}


def with_b(content: str | bytes) -> dict[str, str | bytes | None]:
    return {**GOOD, "i/b.png": None, "j/b.json": content}


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"i/x.txt": "", "j/a.json": annotation()}, "holds no images"),
        ({"i/a.png": None, "j/a.xml": ""}, "holds no .json files; it holds files ending in .xml"),
        ({"i/a.png": None, "j": ""}, "is no folder; one JSON file for each image must lie there"),
        (
            {**GOOD, "i/b.png": None, "i/c.png": None},
            ("have no annotation file: b.png, c.png; remove them, or give an"),
        ),
        ({**GOOD, "j/b.json": annotation()}, "1 annotation files have no image below"),
        ({**GOOD, "j/b.json": annotation("gone.png")}, "1 annotation files have no image below"),
        ({**GOOD, "j/b.json": annotation("a.png")}, ("b.json: belongs to a.png, as a.json does; keep one of the two")),
        ({**GOOD, "i/a.jpg": None}, "a.json: could belong to a.jpg, a.png; name one of them in its 'file'"),
        (with_b("{'a': 1}"), "b.json: is not JSON: Expecting property name"),
        (with_b(""), "b.json: is not JSON"),
        (with_b(b'{"file": "\xe9"}'), "b.json: is not JSON: it is not UTF-8 text"),
        (with_b("[1]"), "b.json: holds a JSON list, but one object is needed"),
        (with_b("{}"), "b.json: has no list 'annotations'; its keys are "),
        (with_b('{"annotations": {}, "file": "b.png"}'), "has no list 'annotations'; its keys are annotations, file"),
        (with_b('{"images": [], "annotations": []}'), "looks like one COCO file for all images"),
        (with_b(annotation(file=7)), "b.json: has file=7, which must be the image's path"),
        (with_b(annotation(categories={"0": "dog"})), "b.json: has 'categories' that are not a list"),
        (with_b(annotation(categories=["dog"])), "has the category 'dog', which must be an object with class_id and"),
        (with_b(annotation(categories=[category(0, "cat")])), "b.json: class 0 is called 'cat', but 'dog' in a.json"),
        (with_b(annotation(categories=[category("x", "cat")])), "b.json: class id 'x' must be a whole number"),
    ],
)
def test_bad_annotations(tree, files: dict[str, str | bytes | None], sentence: str) -> None:
    root = tree(files)
    with pytest.raises(DataError) as caught:
        AnnotationFilesReader(root / "i", root / "j")
    assert sentence in str(caught.value)


def test_many_lost_images_are_counted_and_the_first_named(tree) -> None:
    root = tree({**GOOD, **{f"i/b{number:02}.png": None for number in range(15)}})
    with pytest.raises(DataError, match=r"15 images below .*: b00.png, .*, b09.png, \.\.\.; remove"):
        AnnotationFilesReader(root / "i", root / "j")


def test_a_file_that_changes_is_named(tree) -> None:
    root = tree(GOOD)
    reader = AnnotationFilesReader(root / "i", root / "j")
    (root / "j/a.json").write_text("{")
    with pytest.raises(DataError, match=r"^j/a.json \(a.png\): is not JSON: .*the file changed"):
        reader.target(0)
