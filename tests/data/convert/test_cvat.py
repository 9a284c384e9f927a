"""Exports of CVAT as it writes them ("CVAT for images 1.1")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import images_of, png
from vision.data.convert.annotated_image import AnnotatedObject
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS, recognize
from vision.settings.errors import DataError, UserError

Write = Callable[..., Path]
LABELS = "<labels><label><name>dog</name></label><label><name>cat</name></label></labels>"


def export(write: Write, *images: str, labels: str = LABELS) -> Path:
    text = f"<annotations><version>1.1</version><meta><job>{labels}</job></meta>{''.join(images)}</annotations>"
    return write({"annotations.xml": text, **{f"images/{name}.png": png() for name in "abc"}})


def image(name: str, content: str = "") -> str:
    return f'<image id="0" name="{name}.png" width="8" height="6">{content}</image>'


def box(label: str = "cat", more: str = "", content: str = "") -> str:
    corners = 'xtl="1.25" ytl="2.00" xbr="3.50" ybr="4.00"'
    return f'<box label="{label}" source="manual" occluded="1" {corners} z_order="0" {more}>{content}</box>'


def test_boxes_with_their_attributes(write: Write) -> None:
    attributes = '<attribute name="color">red</attribute><attribute name="difficult">true</attribute>'
    root = export(write, image("a", box(content=attributes) + box("dog", 'rotation="0.000"')), image("b"))
    (first, second), problems = images_of(root, "cvat")
    assert problems == []
    assert first.objects == (
        AnnotatedObject(1, (1.25, 2, 3.5, 4), True, {"cvat.occluded": "1", "cvat.attributes": {"color": "red"}}),
        AnnotatedObject(0, (1.25, 2, 3.5, 4), False, {"cvat.occluded": "1"}),
    )
    assert (first.size_px, second.objects) == ((8, 6), ())
    assert recognize(root) == ("an export of CVAT", "annotations.xml")


def test_tags_are_classes_of_images(write: Write) -> None:
    tag = '<tag label="{}" source="manual"></tag>'
    root = export(write, image("a", tag.format("cat")), image("b", tag.format("dog")), image("c"))
    found, problems = images_of(root, "cvat")
    assert [each.class_ids for each in found] == [(1,), (0,)]
    assert "image 0 (c.png): has no tag: it was not labeled" in problems[0]
    several = export(write, image("a", tag.format("cat") + tag.format("dog")), image("b"))
    assert [each.class_ids for each in images_of(several, "cvat")[0]] == [(0, 1), ()]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (box(more='rotation="30.0"'), "is turned by 30.0 degrees"),
        ('<polygon label="cat" points="1,2;3,4;5,6"/>', "is a polygon: only boxes are read"),
        (box().replace("1.25", "nan"), "must have numbers of pixels as xtl, ytl, xbr, ybr"),
        (box().replace("1.25", "left"), "must have numbers of pixels as xtl, ytl, xbr, ybr"),
        (box("lion"), "has the label 'lion', which is none of dog, cat"),
    ],
)
def test_shapes_that_cannot_be_used(shape: str, reason: str, write: Write) -> None:
    (found,), problems = images_of(export(write, image("a", shape + box())), "cvat")
    assert len(found.objects or ()) == 1
    assert f"annotations.xml image 0 (a.png) shape 0: {reason}" in problems[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<annotations></annotations>", "holds no image"),
        (f"<annotations>{image('a')}</annotations>", "holds neither boxes nor tags"),
        ("<annotation/>", "where <annotations> is expected"),
        ('<!DOCTYPE annotations [<!ENTITY a "b">]><annotations/>', "declares a DOCTYPE"),
    ],
)
def test_exports_that_cannot_be_used(content: str, reason: str, write: Write) -> None:
    root = write({"annotations.xml": content})
    with pytest.raises((UserError, DataError), match=reason):
        FORMATS["cvat"].source(root / "annotations.xml", SourceOptions())
