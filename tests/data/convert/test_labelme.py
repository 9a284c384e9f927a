"""Folders of LabelMe as it writes them: rectangles, flags, shapes as masks, and images inside the JSON files."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.convert.conftest import converted, images_of, png
from vision.data.convert.annotated_image import AnnotatedObject
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS, recognize
from vision.data.masks.mask_png import IGNORED
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError

Write = Callable[..., Path]


def shape(label: str, points: object, kind: str = "rectangle", **more: object) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def document(*shapes: object, image: str = "a.png", **more: object) -> str:
    stated: dict[str, object] = {"imagePath": image, "imageData": None, "imageHeight": 6, "imageWidth": 8}
    return json.dumps({"version": "5.5.0", "flags": {}, "shapes": list(shapes), **stated, **more})


def embedded(shade: int = 0) -> str:
    return base64.b64encode(png(shade=shade)).decode()


POLYGON = shape("dog", [[6, 4], [8, 4], [8, 6]], "polygon")


def test_rectangles_are_boxes_from_any_corner_and_other_shapes_only_if_said(write: Write) -> None:
    drawn = [
        shape("cat", [[5, 6], [1.5, 2]]),
        POLYGON,
        shape("cat", [[3, 3], [3, 5]], "circle"),
        shape("cat", [[0, 0], [1, 1]], "line"),
    ]
    root = write({"a.png": png(), "a.json": document(*drawn)})
    (found,), problems = images_of(root, "labelme")
    assert (found.objects, found.size_px) == ((AnnotatedObject(0, (1.5, 2.0, 5.0, 6.0)),), (8, 6))
    assert problems[0] == "a.json (a.png) shape 1: is a polygon, and no box: box_polygons=true takes the box around it"
    assert "shape 3: is a line, which has no area" in problems[2]

    (found,), problems = images_of(root, "labelme", box_polygons=True)
    assert [item.xyxy_px for item in found.objects or ()] == [(1.5, 2, 5, 6), (6, 4, 8, 6), (1, 1, 5, 5)]
    assert [item.class_id for item in found.objects or ()] == [0, 1, 0]
    assert len(problems) == 1
    assert recognize(root) == ("a folder of LabelMe", "a.json")
    # Such files beside the images of class folders do not change what these are.
    assert recognize(root.parent) is None


def test_flags_are_classes_of_images(write: Write) -> None:
    files = {f"{name}.png": png() for name in "abc"}
    ticked = {"a": {"cat": False, "dog": True}, "b": {"cat": True}, "c": {"cat": False}}
    root = write({**files, **{f"{n}.json": document(image=f"{n}.png", flags=flags) for n, flags in ticked.items()}})
    found, problems = images_of(root, "labelme")
    assert [image.class_ids for image in found] == [(1,), (0,)]
    assert problems == ["c.json (c.png): has 0 ticked flags, where other images have one"]
    root = write({"a.json": document(flags={"cat": True, "dog": True})})
    assert [image.class_ids for image in images_of(root, "labelme")[0]] == [(0, 1), (0,), ()]


@pytest.mark.parametrize(
    ("place", "address", "name"),
    [
        ("a.json", "a.png", "a.png"),
        ("labels/a.json", "../a.png", "a.png"),
        ("labels/a.json", "..\\photos\\b.png", "photos/b.png"),
        ("photos/b.json", "b.png", "photos/b.png"),
        ("a.json", "C:\\Users\\me\\photos\\b.png", "photos/b.png"),
    ],
)
def test_images_are_found_from_the_file_on(place: str, address: str, name: str, write: Write) -> None:
    root = write(
        {"a.png": png(), "photos/b.png": png(), place: document(shape("cat", [[0, 0], [1, 1]]), image=address)}
    )
    (found,), problems = images_of(root, "labelme")
    assert (found.name, problems) == (name, [])


@pytest.mark.parametrize("address", ["../secret.png", "x/../../secret.png", "..\\secret.png", "a\0.png"])
def test_a_path_that_leaves_the_folder_is_refused(address: str, write: Write) -> None:
    root = write({"in/a.json": document(shape("cat", [[0, 0], [1, 1]]), image=address), "secret.png": png()})
    found, problems = images_of(root / "in", "labelme")
    assert (found, len(problems)) == ([], 1)
    # Its own picture is in the file.
    content = document(shape("cat", [[0, 0], [1, 1]]), image=address, imageData=embedded(7))
    (found_one,), _ = images_of(write({"in/a.json": content}) / "in", "labelme")
    assert (found_one.name, bytes(found_one.image)) == ("a.png", png(shade=7))  # type: ignore[arg-type]


def test_an_image_in_its_file_is_written_but_not_trained_on(write: Write, tmp_path: Path) -> None:
    root = write({"sub/a.json": document(shape("cat", [[0, 0], [4, 3]]), image="gone.jpg", imageData=embedded())})
    done = converted(root, "labelme", "voc", tmp_path / "out")
    assert (done.images, done.skipped.sentences) == (1, [])
    broken = write({"sub/a.json": document(shape("cat", [[0, 0], [4, 3]]), image="gone.jpg", imageData="?")})
    assert "has imageData that is not base64 text" in images_of(broken, "labelme")[1][0]


def test_all_that_a_rectangle_says_comes_back(write: Write, tmp_path: Path) -> None:
    said = shape(
        "cat", [[0, 0], [4, 3]], group_id=0, description="ear", flags={"cut": True, "difficult": True, "x": False}
    )
    root = write({"a.png": png(), "a.json": document(said)})
    assert converted(root, "labelme", "labelme", tmp_path / "out").notes == ()
    written = json.loads((tmp_path / "out" / "a.json").read_text())
    assert written["shapes"] == [{**said, "flags": {"cut": True, "difficult": True}}]
    assert (written["imagePath"], written["imageHeight"], written["imageWidth"]) == ("a.png", 6, 8)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (document(), "holds no rectangles and no ticked flags of LabelMe."),
        (document(POLYGON), "but the shape polygon: box_polygons=true takes the box around each, and to=masks makes"),
    ],
)
def test_folders_without_boxes_or_flags(content: str, reason: str, write: Write) -> None:
    root = write({"a.png": png(), "a.json": content})
    with pytest.raises(UserError, match=reason):
        FORMATS["labelme"].source(root, SourceOptions())
    with pytest.raises(UserError, match=r"is not a folder with \.json files"):
        FORMATS["labelme"].source(root / "a.json", SourceOptions())


def test_masks_of_every_kind_of_shape(write: Write) -> None:
    patch = base64.b64encode(png(2, 1, shade=255)).decode()
    drawn = [
        shape("dog", [[0, 0], [2, 0], [2, 2], [0, 2]], "oriented_rectangle"),
        shape("cat", [[5, 3], [6, 3]], "mask", mask=patch),
        shape("__ignore__", [[0, 5], [8, 6]]),
        shape("cat", [[7, 3], [8, 3]], "mask", mask=patch),
        shape("cat", [[0, 0], [1, 1]], "mask", mask="?"),
    ]
    root = write({"a.png": png(), "a.json": document(*drawn)})
    (found,), problems = images_of(root, "labelme_masks")
    expected = np.zeros((6, 8), np.uint8)
    expected[:2, :2], expected[3, 5:7], expected[5] = 2, 1, IGNORED
    assert np.array_equal(found.mask, expected)
    assert problems == [
        "a.json shape 3: is a mask of 2x1 pixels at 7, 3, which leaves its image",
        "a.json shape 4: has a mask that is not base64 text",
    ]


def test_shapes_are_scaled_with_a_resized_image_and_refused_on_another(write: Write) -> None:
    drawn = document(shape("cat", [[0, 0], [4, 4]]), imageWidth=16, imageHeight=12)
    root = write({"a.png": png(), "a.json": drawn, "b.png": png(), "b.json": document(image="b.png", imageWidth=3)})
    (found,), problems = images_of(root, "labelme_masks")
    assert found.mask is not None
    assert (int(found.mask.sum()), found.mask[:2, :2].tolist()) == (4, [[1, 1], [1, 1]])
    assert "b.json: states the size 3x6, but the image has 8x6 pixels" in problems[0]


def damaged(rng: random.Random) -> bytes:
    """A file of which a byte, a piece or a value is another."""
    patch = base64.b64encode(png(2, 1, shade=255)).decode()
    odd: list[object] = [
        None,
        -1,
        1e308,
        10**400,
        True,
        "",
        "../../etc/passwd",
        "\0",
        [],
        {},
        [[1]],
        [[0, 0]] * 3,
        "rectangle",
        2**70,
    ]
    content = json.loads(
        document(
            shape("cat", [[0, 0], [4, 3]]),
            POLYGON,
            shape("cat", [[3, 3], [3, 5]], "circle"),
            shape("cat", [[5, 3], [6, 3]], "mask", mask=patch),
            flags={"cat": True},
            imageData=rng.choice([None, embedded()]),
            image=rng.choice(["a.png", "gone.png"]),
        )
    )
    for _ in range(rng.randint(0, 2)):
        place = rng.choice([content, *content["shapes"]]) if isinstance(content.get("shapes"), list) else content
        if isinstance(place, dict):
            place[rng.choice(list(place))] = rng.choice(odd)
    data = bytearray(json.dumps(content).encode())
    for _ in range(rng.randint(0, 2)):
        start = rng.randrange(len(data))
        data[start : start + rng.randint(0, 3)] = rng.choice([b"", b"9", b'"', b"]", b"\xff", b"e999", b"[" * 200])
    return bytes(data)


def test_damaged_files_are_named_or_read_without_leaving_the_folder(write: Write) -> None:
    rng = random.Random(0)
    root = write({"a.png": png()})
    tracemalloc.start()
    for _ in range(500):
        (root / "a.json").write_bytes(damaged(rng))
        for form, options in (("labelme", SourceOptions(box_polygons=True)), ("labelme_masks", SourceOptions())):
            try:
                for image in FORMATS[form].source(root, options).images(Skipped()):
                    assert image.name == "a.png"
            except (UserError, DataError):
                continue
    assert tracemalloc.get_traced_memory()[1] < 80 << 20
    tracemalloc.stop()
