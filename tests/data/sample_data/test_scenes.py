from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.data.readers.recordio import RecordIOReader
from vision.data.sample_data.digits import load_digits
from vision.data.sample_data.scenes import draw_scene, write_scenes

# Halfway between the brightest texture and the darkest ink.
INK_ABOVE = 140


def boxes_of(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class ids [M] and boxes in pixels [M, 4] of a packed label, read by the book: header 2, object width 5."""
    assert target[:2].tolist() == [2, 5]
    rows = target[2:].reshape(-1, 5)
    return rows[:, 0], rows[:, 1:] * 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    assert write_scenes(folder, train=30, validation=10, classes=4, seed=0) == {"train": 30, "validation": 10}
    return folder


@pytest.fixture(scope="module")
def scenes(folder: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image [300, 300, 3], class ids and boxes in pixels of every record."""
    found = []
    for name in ("train", "validation"):
        reader = RecordIOReader([folder / f"{name}.rec"])
        for index in range(len(reader)):
            sample = reader[index]
            image = cv2.imdecode(np.frombuffer(sample.encoded, np.uint8), cv2.IMREAD_COLOR)
            found.append((image, *boxes_of(sample.target)))
    assert len(found) == 40
    return found


def test_each_scene_is_a_jpeg_of_300_pixels_with_1_to_6_objects_of_the_classes(folder: Path, scenes) -> None:
    assert all(image.shape == (300, 300, 3) for image, _, _ in scenes)
    assert {len(ids) for _, ids, _ in scenes} == {1, 2, 3, 4, 5, 6}
    assert {int(label) for _, ids, _ in scenes for label in ids} == {0, 1, 2, 3}
    assert (folder / "classes.txt").read_text().split() == ["0", "1", "2", "3"]
    assert bytes(RecordIOReader([folder / "train.rec"])[0].encoded[:3]) == b"\xff\xd8\xff"


def test_all_ink_lies_inside_the_boxes_and_reaches_each_of_their_sides(scenes) -> None:
    for image, _, boxes in scenes:
        ink = cv2.GaussianBlur(image, (3, 3), 0).min(axis=2) > INK_ABOVE
        outside = ink.copy()
        for box in boxes:
            left, top, right, bottom = np.rint(box).astype(int)
            assert 0 <= left < right <= 300
            assert 0 <= top < bottom <= 300
            rows = np.flatnonzero(ink[top:bottom, left:right].any(axis=1))
            columns = np.flatnonzero(ink[top:bottom, left:right].any(axis=0))
            gaps = [rows[0], bottom - top - 1 - rows[-1], columns[0], right - left - 1 - columns[-1]]
            assert max(gaps) <= 4
            outside[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = False
        assert not outside.any()


def test_objects_have_a_fair_size_and_hardly_overlap(scenes) -> None:
    for _, _, boxes in scenes:
        heights = boxes[:, 3] - boxes[:, 1]
        assert heights.min() >= 0.17 * 300
        assert heights.max() <= 0.46 * 300
        for number, first in enumerate(boxes):
            for second in boxes[number + 1 :]:
                common = np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0).prod()
                smaller = min((box[2:] - box[:2]).prod() for box in (first, second))
                assert common <= 0.06 * smaller


def test_an_object_shows_the_digit_that_its_label_says() -> None:
    digits = load_digits()
    ones = digits.take(np.flatnonzero(digits.labels == 1)[:1])
    zeros = digits.take(np.flatnonzero(digits.labels == 0)[:1])
    middles = {}
    for name, source in (("one", ones), ("zero", zeros)):
        scene = draw_scene(source, np.random.default_rng(5))
        left, top, right, bottom = scene.boxes_xyxy_px[0]
        centre = scene.image[(top + bottom) // 2, (left + right) // 2]
        middles[name] = int(centre.min())
        assert scene.labels[0] == {"one": 1, "zero": 0}[name]
    # A one has ink in its middle, a zero a hole.
    assert middles["one"] > INK_ABOVE > middles["zero"]


def test_a_scene_depends_on_seed_and_number_and_not_on_how_many_there_are(folder: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "few", train=3, validation=1, classes=4, seed=0)
    write_scenes(tmp_path / "other", train=3, validation=1, classes=4, seed=1)
    for name in ("train", "validation"):
        many, few, other = (
            RecordIOReader([at / f"{name}.rec"]) for at in (folder, tmp_path / "few", tmp_path / "other")
        )
        assert [bytes(few.payload(i)) for i in range(len(few))] == [bytes(many.payload(i)) for i in range(len(few))]
        assert bytes(other.payload(0)) != bytes(few.payload(0))


def test_train_and_validation_show_different_scenes(folder: Path) -> None:
    train, validation = (RecordIOReader([folder / f"{name}.rec"]) for name in ("train", "validation"))
    assert not {bytes(train[i].encoded) for i in range(30)} & {bytes(validation[i].encoded) for i in range(10)}
