"""Exports of Label Studio as it writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data.convert.conftest import converted, images_of, png
from vision.data.convert.annotated_image import AnnotatedObject
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS, recognize
from vision.settings.errors import UserError

Write = Callable[..., Path]
SIZE = {"original_width": 8, "original_height": 6, "image_rotation": 0}


def rectangle(label: str = "cat", **value: object) -> dict[str, Any]:
    """A result as the documentation of Label Studio shows it."""
    box = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": [label], **value}
    return {
        "id": "Dx_aB91ISN",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        **SIZE,
        "value": box,
    }


def choice(*labels: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": "class", "to_name": "image", "value": {"choices": list(labels)}}


def task(image: str, *results: object, **annotation: object) -> dict[str, Any]:
    predicted = {"model_version": "m", "score": 0.2, "result": [rectangle("ghost")]}
    return {
        "id": 7,
        "data": {"image": image},
        "annotations": [{"id": 3, "completed_by": 1, "result": list(results), **annotation}],
        "predictions": [predicted],
    }


def export(write: Write, tasks: object, **files: str | bytes) -> Path:
    images = {f"{name}.png": png() for name in "abc"}
    return write({"export.json": json.dumps(tasks), **images, **files})


def test_boxes_in_percent_become_pixels_and_predictions_are_no_labels(write: Write) -> None:
    tasks = [task("/data/local-files/?d=a.png", rectangle(), rectangle("dog", x=0, width=12.5)), task("b.png")]
    root = export(write, tasks)
    (first, second), problems = images_of(root, "labelstudio")
    assert problems == []
    assert first.objects == (
        AnnotatedObject(0, (2.0, 3.0, 6.0, 4.5)),
        AnnotatedObject(1, (0.0, 3.0, 1.0, 4.5)),
    )
    assert (first.size_px, second.objects) == ((8, 6), ())
    assert FORMATS["labelstudio"].source(root, SourceOptions()).class_names == ("cat", "dog")
    assert recognize(root) == ("an export of Label Studio", "export.json")


def test_an_export_is_recognized_however_long_its_first_task_is(write: Write) -> None:
    first = {"predictions": [{"result": [rectangle()] * 1000}], **task("a.png", rectangle())}
    assert recognize(export(write, [first]) / "export.json") == ("an export of Label Studio", "export.json")


@pytest.mark.parametrize(
    "address",
    [
        "a.png",
        "/data/local-files/?d=photos/a.png",
        "/data/local-files/?d=photos%2Fa.png",
        "/data/upload/2/1f3c9a0e-a.png",
        "s3://bucket/photos/a.png",
        "https://host/photos/a.png?X-Amz-Signature=1",
    ],
)
def test_images_are_found(address: str, write: Write) -> None:
    (found,), problems = images_of(export(write, [task(address, rectangle())]), "labelstudio")
    assert (found.name, problems) == ("a.png", [])


def test_an_address_that_leaves_the_folder_is_refused(write: Write) -> None:
    root = export(write, [task("../../etc/a.png", rectangle()), task("b.png", rectangle())])
    found, problems = images_of(root, "labelstudio")
    assert [image.name for image in found] == ["b.png"]
    assert "'../../etc/a.png' must be relative to" in problems[0]


def test_an_address_that_is_not_a_url_is_named(write: Write) -> None:
    root = export(write, [task("http://[a/a.png", rectangle()), task("b.png", rectangle())])
    found, problems = images_of(root, "labelstudio")
    assert [image.name for image in found] == ["b.png"]
    assert "task 0: has the address 'http://[a/a.png', which is not a URL" in problems[0]


def test_what_was_not_labeled_is_named(write: Write) -> None:
    cancelled = task("b.png", rectangle("dog"), was_cancelled=True)
    root = export(write, [task("a.png", rectangle()), cancelled, {"data": {"image": "c.png"}}, 3])
    found, problems = images_of(root, "labelstudio")
    assert [image.name for image in found] == ["a.png"]
    assert len(problems) == 3
    assert "task 1 (b.png): has no annotation: it was not labeled, or skipped" in problems[0]
    assert "task 3: has no data with the address of an image" in problems[2]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"rotation": 12}, "is turned by 12 degrees"),
        ({"x": "3"}, "must be percent of the image"),
        ({"x": 1e9}, "must be percent of the image"),
        ({"x": 10**400}, "must be percent of the image"),
        ({"rectanglelabels": ["cat", "dog"]}, "has 2 labels, where a box has one"),
        ({"rectanglelabels": []}, "has 0 labels, where a box has one"),
        ({"rectanglelabels": ["lion"]}, "has the label 'lion', which is none of cat"),
    ],
)
def test_boxes_that_cannot_be_used(value: dict[str, object], reason: str, write: Write) -> None:
    root = export(write, [task("a.png", rectangle(**value), rectangle())], **{"classes.txt": "cat\n"})
    (found,), problems = images_of(root, "labelstudio")
    assert len(found.objects or ()) == 1
    assert reason in problems[0]


@pytest.mark.parametrize("kind", ["polygonlabels", "brushlabels", "labels"])
def test_shapes_that_are_no_boxes_are_named(kind: str, write: Write) -> None:
    shape = {"type": kind, "from_name": "shape", "to_name": "image", "value": {"points": [[0, 0]], kind: ["dog"]}}
    note = {"type": "textarea", "from_name": "note", "to_name": "image", "value": {"text": ["blurred"]}}
    (found,), problems = images_of(export(write, [task("a.png", rectangle(), shape, note)]), "labelstudio")
    assert (len(found.objects or ()), found.size_px) == (1, (8, 6))
    (problem,) = problems
    assert f"result 1: is of the type {kind}: only rectanglelabels are read" in problem


def test_choices_are_classes_of_images(write: Write) -> None:
    root = export(write, [task("a.png", choice("dog")), task("b.png", choice("cat")), task("c.png")])
    found, problems = images_of(root, "labelstudio")
    assert [image.class_ids for image in found] == [(1,), (0,)]
    assert "has 0 choices, where other tasks have one" in problems[0]
    several = export(write, [task("a.png", choice("dog", "cat")), task("b.png"), task("c.png", choice("dog"))])
    assert [image.class_ids for image in images_of(several, "labelstudio")[0]] == [(0, 1), (), (1,)]


def test_the_configuration_beside_orders_the_classes_and_is_written(write: Write, tmp_path: Path) -> None:
    view = '<View><RectangleLabels><Label value="dog"/><Label value="cat"/></RectangleLabels></View>'
    root = export(write, [task("a.png", rectangle("cat"))], **{"export.xml": view})
    (found,), _ = images_of(root, "labelstudio")
    assert (found.objects or ())[0].class_id == 1
    converted(root, "labelstudio", "labelstudio", tmp_path / "out")
    written = (tmp_path / "out" / "out.xml").read_text()
    assert written == (
        '<View>\n  <Image name="image" value="$image" zoom="true" />\n'
        '  <RectangleLabels name="label" toName="image">\n    <Label value="dog" />\n    <Label value="cat" />\n'
        "  </RectangleLabels>\n</View>\n"
    )


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ({"images": []}, "is no list of tasks: choose JSON when you export"),
        ([task("a.png", rectangle()), task("b.png", choice("cat"))], "holds boxes and choices"),
        ([task("a.png")], "holds no annotation with rectanglelabels or choices"),
    ],
)
def test_exports_that_cannot_be_used(tasks: object, reason: str, write: Write) -> None:
    root = export(write, tasks)
    with pytest.raises(UserError, match=reason):
        FORMATS["labelstudio"].source(root / "export.json", SourceOptions())
