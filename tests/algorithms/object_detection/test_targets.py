from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.targets import BoxLabelParser, DetectionTarget, collate_targets
from vision.data.readers.image_list import ImageListReader
from vision.data.readers.recordio import RecordIOReader
from vision.settings.errors import DataError


def target(*labels: int) -> DetectionTarget:
    count = len(labels)
    boxes = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    return DetectionTarget(boxes, np.array(labels, np.int64), np.arange(count) % 2 == 1)


def test_objects_come_first_and_padding_follows() -> None:
    boxes, labels, difficult = collate_targets([target(4, 2, 0), target()])
    assert (boxes.dtype, labels.dtype, difficult.dtype) == (torch.float32, torch.int64, torch.bool)
    assert labels.tolist() == [[4, 2, 0, -1, -1, -1, -1, -1], [-1] * 8]
    assert boxes[0, :3].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert not boxes[0, 3:].any()
    assert not boxes[1].any()
    assert difficult[0].tolist() == [False, True, False, False, False, False, False, False]


@pytest.mark.parametrize(("longest", "size"), [(0, 8), (1, 8), (8, 8), (9, 16), (30, 32)])
def test_few_different_shapes(longest: int, size: int) -> None:
    padded = collate_targets([target(*[0] * longest), target(1)])
    assert padded.boxes_xyxy_unit.shape == (2, size, 4)
    assert padded.labels.shape == padded.difficult.shape == (2, size)


def test_a_batch_is_a_tuple_that_loaders_can_move() -> None:
    padded = collate_targets([target(1)])
    assert type(padded)(*(tensor.to("cpu") for tensor in padded)).labels is padded.labels


FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
CLIP, DROP, FAIL = (BoxLabelParser(3, policy) for policy in ("clip", "drop", "fail"))

GOOD = [2, 5, 0, 0.1, 0.2, 0.5, 0.6, 2, 0.0, 0.0, 1.0, 1.0]
BOX = {"class_id": 1, "left": 50, "top": 100, "width": 200, "height": 100}
ANNOTATION: dict[str, Any] = {"image_size": [{"width": 500, "height": 400, "depth": 3}], "annotations": [BOX]}


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def annotation(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ANNOTATION, **changes}.items() if value is not None}


def box(**changes: Any) -> dict[str, Any]:
    merged = {**BOX, **changes}
    return annotation(annotations=[{name: value for name, value in merged.items() if value is not None}])


class TestForms:
    def test_vector(self) -> None:
        target = CLIP(vector(*GOOD), "key")
        np.testing.assert_array_equal(target.boxes_xyxy_unit, np.array([[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]], "f4"))
        assert target.boxes_xyxy_unit.dtype == np.float32
        assert target.labels.tolist() == [0, 2]
        assert target.labels.dtype == np.int64
        assert target.difficult.tolist() == [False, False]

    @pytest.mark.parametrize(
        ("numbers", "labels", "difficult"),
        [
            ([4, 5, 640, 480, 1, 0.1, 0.2, 0.5, 0.6], [1], [False]),
            ([2, 6, 1, 0.1, 0.2, 0.5, 0.6, 1, 0, 0.1, 0.2, 0.5, 0.6, 0], [1, 0], [True, False]),
            ([3, 8, 9, 1, 0.1, 0.2, 0.5, 0.6, 0, 7, 7], [1], [False]),
            ([2, 5], [], []),
            ([4, 5, 640, 480], [], []),
            ([2, 5, 1, 0.1, 0.2, 0.5, 0.6, -1, -1, -1, -1, -1], [1], [False]),
            ([2, 5, -1, -1, -1, -1, -1], [], []),
        ],
    )
    def test_header_and_object_widths(self, numbers: list[float], labels: list[int], difficult: list[bool]) -> None:
        target = FAIL(vector(*numbers), "key")
        assert target.labels.tolist() == labels
        assert target.difficult.tolist() == difficult
        assert target.boxes_xyxy_unit.shape == (len(labels), 4)

    @pytest.mark.parametrize("as_list", [True, False])
    def test_annotation(self, as_list: bool) -> None:
        size = {"width": 500, "height": 400}
        target = FAIL(annotation(image_size=[size] if as_list else size), "key")
        np.testing.assert_allclose(target.boxes_xyxy_unit, [[0.1, 0.25, 0.5, 0.5]], atol=1e-7)
        assert target.labels.tolist() == [1]

    def test_annotation_without_objects(self) -> None:
        target = FAIL(annotation(annotations=[]), "key")
        assert (target.boxes_xyxy_unit.shape, len(target)) == ((0, 4), 0)

    def test_the_files_of_mxnet(self) -> None:
        """Labels as mx.io.ImageDetRecordIter gave them; it drops the box of record 3 that has no area."""
        expected = np.load(FIXTURES / "det_iter_expected.npz")
        for name, rows in (("det", "label_auto_pad"), ("det_difficult", "label_difficult_auto_pad")):
            reader = RecordIOReader([FIXTURES / f"{name}.rec"])
            assert len(reader) == len(expected[rows])
            for index, row in enumerate(expected[rows]):
                length, header, width = int(row[3]), int(row[4]), int(row[5])
                objects = row[4 + header : 4 + length].reshape(-1, width)
                target = CLIP(reader.target(index), "key")
                np.testing.assert_allclose(target.boxes_xyxy_unit, objects[:, 1:5], atol=1e-7)
                assert target.labels.tolist() == objects[:, 0].tolist()
                if width > 5:
                    assert target.difficult.tolist() == (objects[:, 5] > 0).tolist()

    def test_pickles(self) -> None:
        assert pickle.loads(pickle.dumps(DROP)) == DROP


# (bad box, what is left under clip, under drop). A box that remains is given by its corners.
POLICIES = [
    ([0.5, 0.5, 1.2, 0.9], [0.5, 0.5, 1.0, 0.9], None),
    ([-0.3, 0.1, 0.4, 0.4], [0.0, 0.1, 0.4, 0.4], None),
    ([1.2, 0.1, 1.4, 0.4], None, None),
    ([1.0, 0.1, 1.4, 0.4], None, None),
    ([0.5, 0.5, 0.5, 0.9], None, None),
    ([0.5, 0.5, 0.4, 0.9], None, None),
    ([0.2, 0.2, 0.2 + 1e-9, 0.9], None, None),
    ([0.2, 0.2, 1.00005, 0.9], [0.2, 0.2, 1.0, 0.9], [0.2, 0.2, 1.0, 0.9]),
]


@pytest.mark.parametrize(("bad", "clip", "drop"), POLICIES, ids=str)
def test_policies(bad: list[float], clip: list[float] | None, drop: list[float] | None) -> None:
    label = np.array([2, 5, 1, *bad, 0, 0.1, 0.1, 0.3, 0.3])
    for decoder, left in ((CLIP, clip), (DROP, drop)):
        boxes = decoder(label, "key").boxes_xyxy_unit
        expected = [*([left] if left else []), [0.1, 0.1, 0.3, 0.3]]
        np.testing.assert_allclose(boxes, expected, atol=1e-7)
    if drop is None:
        with pytest.raises(DataError, match="box 0"):
            FAIL(label, "key")
    else:
        FAIL(label, "key")


OBJECT = (0.1, 0.2, 0.5, 0.6)
# (raw label, what the sentence says). Every one fails under every policy, or where marked under "fail".
MALFORMED: list[tuple[str, Any, str]] = [
    ("scalar", vector(3), r"single number .* --pack-label"),
    ("nothing", vector(), r"single number .* --pack-label"),
    ("no header", vector(0, *OBJECT), r"begins with 0, 0.1, .* put 2 and 5 in front"),
    ("no header, two objects", vector(2, *OBJECT, 0, *OBJECT), r"begins with 2, 0.1, .* put 2 and 5 in front"),
    ("header too short", vector(1, 5, 0, *OBJECT), r"begins with 1, 5, .*at least 2 and 5"),
    ("objects too short", vector(2, 4, *OBJECT), r"begins with 2, 4, .*at least 2 and 5"),
    ("number missing", vector(2, 5, 0, 0.1, 0.2, 0.5), r"6 numbers, .* header of 2 .* objects of 5"),
    ("object width wrong", vector(2, 6, 0, *OBJECT, 1, *OBJECT), r"12 numbers, .* objects of 6"),
    ("header longer than label", vector(9, 5, 0, *OBJECT), r"7 numbers, .* header of 9"),
    ("pixels", vector(2, 5, 0, 48, 60, 240, 300), r"corner 300 in box 0, .* divide x by the image's width"),
    ("not a number", vector(2, 5, 0, 0.1, np.nan, 0.5, 0.6), r"nan in box 0"),
    ("infinite", vector(2, 5, 0, 0.1, 0.2, np.inf, 0.6), r"inf in box 0"),
    ("header not a number", vector(np.nan, 5, 0, *OBJECT), r"begins with nan, 5"),
    ("class too large", vector(2, 5, 3, *OBJECT), r"class 3 in box 0, .*hp.num_classes=3 .* 0 to 2"),
    ("class negative", vector(2, 5, -2, *OBJECT), r"class -2 in box 0"),
    ("class broken", vector(2, 5, 0.5, *OBJECT), r"class 0.5 in box 0, .* whole numbers"),
    ("padding inside", vector(2, 5, -1, -1, -1, -1, -1, 0, *OBJECT), r"class -1 in box 0"),
    ("a class", 3, r"the label 3, where an object with image_size"),
    ("a list", [1, 0], r"where an object with image_size .*channel's attributes"),
    ("no image_size", annotation(image_size=None), r"no 'image_size' among annotations"),
    ("image_size empty", annotation(image_size=[]), r"image_size=\[\], which must be one object"),
    ("image_size twice", annotation(image_size=ANNOTATION["image_size"] * 2), r"must be one object"),
    ("width zero", annotation(image_size={"width": 0, "height": 4}), r"width 0 and height 4: give \"image_size\""),
    ("height missing", annotation(image_size={"width": 5}), r"width 5 and height None"),
    ("width text", annotation(image_size={"width": "500", "height": 4}), r"width '500'"),
    ("no annotations", annotation(annotations=None), r"no list 'annotations' among image_size"),
    ("annotations no list", annotation(annotations={}), r"no list 'annotations'"),
    ("annotation no object", annotation(annotations=[[0, 1, 2, 3, 4]]), r"annotation 0, which must be an object"),
    ("key missing", box(height=None), r"no height in annotation 0, .*left, top, width, height in pixels"),
    ("class missing", box(class_id=None), r"no class_id in annotation 0, which has left, top"),
    ("coordinate text", box(left="50"), r"left='50' in annotation 0: give a finite number"),
    ("coordinate null", box(left=True), r"left=True in annotation 0"),
    ("coordinate endless", box(left=10**400), r"left=1000000.* in annotation 0"),
    ("class of text", box(class_id="dog"), r"class_id='dog' in annotation 0"),
    ("class too large", box(class_id=3), r"class 3 in box 0, .* 0 to 2"),
    ("fractions", box(left=0.1, top=0.25, width=0.4, height=0.5), r"look like fractions: multiply"),
]


@pytest.mark.parametrize(("raw", "says"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_malformed_labels(raw: Any, says: str) -> None:
    before = copy.deepcopy(raw)
    for decoder in (CLIP, DROP, FAIL):
        with pytest.raises(DataError, match=says) as caught:
            decoder(raw, "train.rec record 7")
        assert str(caught.value).startswith("train.rec record 7: has ")
        assert "\n" not in str(caught.value)
    np.testing.assert_equal(raw, before)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (vector(2, 5, 0, 0.5, 0.6, 0.1, 0.2), r"ending before it begins: .*x, y, width, height"),
        (vector(2, 5, 0, 0.5, 0.5, 0.5, 0.7), r"without area: remove it"),
        (vector(2, 5, 0, 1.1, 0.5, 1.3, 0.7), r"outside its image: remove it"),
        (vector(2, 5, 0, 0.5, 0.5, 1.1, 0.7), r"partly outside its image: correct it, or set run.bad_boxes=clip"),
        (box(width=-10), r"negative width or height in box 0"),
        (box(width=0), r"without area"),
        (box(left=600), r"outside its image: remove it or correct it or its image_size"),
        (box(left=400), r"partly outside its image: correct it or its image_size"),
    ],
)
def test_sentences_of_strict_runs(raw: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        FAIL(raw, "key")


def test_the_line_of_an_image_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "train.lst").write_text("0\t2\t5\t0\t0.1\t0.2\t0.5\t0.6\ta.jpg\n1\t0\t48\t60\t240\t300\ta.jpg\n")
    reader = ImageListReader(tmp_path / "train.lst", tmp_path)
    assert len(CLIP(reader.target(0), reader.key(0))) == 1
    with pytest.raises(DataError, match=r"train.lst line 2 \(a.jpg\): has a label that begins with 0, 48"):
        CLIP(reader.target(1), reader.key(1))


def test_numbers_survive_json() -> None:
    target = FAIL(json.loads(json.dumps(box(left=50.5, class_id=1.0))), "key")
    assert target.boxes_xyxy_unit[0, 0] == np.float32(50.5 / 500)
