"""Manifests of Custom Labels as channels that this package trains on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.aws.custom_labels import boxes, one_label
from vision.aws.rekognition.dataset_entries import BucketImages, raw_lines
from vision.aws.rekognition.training_data import TEST, TRAIN, TrainingData
from vision.aws.s3.buckets import Buckets
from vision.data.labels import task_of
from vision.data.readers.manifest import ManifestReader


@pytest.fixture
def images(tmp_path: Path) -> BucketImages:
    """Images 0.png to 5.png of a bucket, 100 pixels wide and 80 high."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((80, 100, 3), number, np.uint8))
    return BucketImages(Buckets(tmp_path))


def at(number: int) -> str:
    return f"s3://bucket/{number}.png"


def check(images: BucketImages, train: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]] | None) -> TrainingData:
    return TrainingData.check(raw_lines(train), None if test is None else raw_lines(test), images)


def targets(data: TrainingData, folder: Path) -> dict[str, list[Any]]:
    """Return the labels that the channels hold, by part."""
    found = {}
    for part, path in data.write_channels(folder).items():
        reader = ManifestReader(path)
        assert reader.class_names == tuple(sorted(data.training.check.usable_labels))
        found[part] = [reader.target(index) for index in range(len(reader))]
    return found


def test_one_label_an_image_is_a_class(images: BucketImages, tmp_path: Path) -> None:
    train = [one_label(at(0), "b"), one_label(at(1), "a"), one_label(at(2), "c")]
    # A label that training does not know counts in no test.
    data = check(images, train, [one_label(at(3), "c"), one_label(at(4), "a"), one_label(at(5), "d")])
    assert data.problem() is None
    assert targets(data, tmp_path / "data") == {TRAIN: [1, 0, 2], TEST: [2, 0]}


def test_several_labels_of_one_image_make_all_images_multi_label(images: BucketImages, tmp_path: Path) -> None:
    data = check(images, [one_label(at(0), "b"), one_label(at(1), "a", "b")], [one_label(at(3), "a")])
    found = targets(data, tmp_path / "data")
    assert found == {TRAIN: [(1,), (0, 1)], TEST: [(0,)]}
    assert task_of(found[TEST][0]) == "multi"


def test_boxes_stay_boxes_and_broken_ones_are_left_out(images: BucketImages, tmp_path: Path) -> None:
    train = [
        boxes(at(0), 100, [("dog", (10, 20, 30, 40)), ("cat", (0, 0, 1, 1)), ("dog", (90, 0, 20, 20))]),
        boxes(at(1), 100, [("cat", (1, 2, 3, 4))]),
        # Of the other use case.
        one_label(at(2), "bird"),
        boxes(at(3), 100, []),
    ]
    data = check(images, train, [boxes(at(4), 100, [("dog", (5, 5, 5, 5)), ("cow", (9, 9, 9, 9))])])
    statistics = data.summary["statistics"][TRAIN]
    assert (statistics["use_case"], statistics["valid_json_lines"]) == ("OBJECT_LOCALIZATION", 3)
    assert (statistics["ignored_json_lines"], statistics["error_json_line_indices"]) == (1, [1])
    found = targets(data, tmp_path / "data")
    size = [{"width": 100, "height": 80, "depth": 3}]
    assert found[TRAIN] == [
        {"image_size": size, "annotations": [{"class_id": 1, "left": 10, "top": 20, "width": 30, "height": 40}]},
        {"image_size": size, "annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}]},
    ]
    assert found[TEST][0]["annotations"] == [{"class_id": 1, "left": 5, "top": 5, "width": 5, "height": 5}]


@pytest.mark.parametrize(("count", "holds_out"), [(5, True), (4, False)])
def test_images_are_held_out_where_there_are_enough_of_every_label(
    images: BucketImages, count: int, holds_out: bool
) -> None:
    train = [one_label(at(number % 6), name) for name in "ab" for number in range(count)]
    assert check(images, train, train).holds_out == holds_out


def test_a_fifth_of_each_label_is_the_test(images: BucketImages) -> None:
    lines = [one_label(at(number % 6), name) for name in "ab" for number in range(10)]
    data = check(images, lines, None)
    assert sorted(labels[0] for _, labels in data.testing.usable()) == ["a", "a", "b", "b"]
    assert data.training.check.total == 16
