from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vision.algorithms.algorithm import TargetSummary
from vision.algorithms.object_detection import target_summary
from vision.algorithms.object_detection.target_summary import summarize_labels
from vision.algorithms.object_detection.targets import BoxLabelParser
from vision.data.sample import Sample

OK = [0.1, 0.1, 0.5, 0.5]


class Labels:
    """A reader of labels alone."""

    class_names = ("a", "b", "c")

    def __init__(self, *raw: Any) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("a summary reads no images")

    def target(self, index: int) -> Any:
        return self.raw[index]

    def key(self, index: int) -> str:
        return f"record {index}"


def image(*objects: list[float]) -> np.ndarray:
    """A packed label of objects [class, xmin, ymin, xmax, ymax]."""
    return np.array([2, 5, *(number for one in objects for number in one)], np.float32)


def summary(*raw: Any, policy: Any = "clip", classes: int = 3, label_width: int = 350) -> TargetSummary:
    return summarize_labels(Labels(*raw), BoxLabelParser(classes, policy), label_width)


ALL = (image([0, *OK], [1, *OK]), image([2, *OK], [1, *OK]))


def test_counts_boxes_of_each_class() -> None:
    found = summary(*ALL)
    assert (found.num_samples, found.class_names) == (2, ("a", "b", "c"))
    assert found.problems == found.warnings == ()
    assert found.class_counts.tolist() == [1, 2, 1]
    assert found.class_counts.dtype == np.float64


def test_counts_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = [*ALL, image([0, 0.5, 0.5, 1.5, 0.9]), *ALL, image(), image([1, 0.2, 0.2, 0.2, 0.2])] * 3
    whole = summary(*raw)
    monkeypatch.setattr(target_summary, "CHUNK_IMAGES", 2)
    parts = summary(*raw)
    assert parts.class_counts.tolist() == whole.class_counts.tolist() == [9, 12, 6]
    assert parts.warnings == whole.warnings


def test_annotations_are_summarised_too() -> None:
    boxes = [{"class_id": 2, "left": 10, "top": 10, "width": 20, "height": 20}]
    found = summary(
        {"image_size": [{"width": 100, "height": 100}], "annotations": boxes},
        {"image_size": [{"width": 100, "height": 100}], "annotations": []},
        *ALL,
        label_width=11,
    )
    assert found.class_counts.tolist() == [1, 2, 2]
    assert len(found.warnings) == 2
    assert found.warnings[0].startswith("1 of 4 images have no boxes: they count as background (MXNet")
    assert found.warnings[1] == (
        "record 2 has a label of 12 numbers, more than hp.label_width=11: nothing is cut off here, but SageMaker needs "
        "hp.label_width=12"
    )


BAD_BOXES = image([0, 0.5, 0.5, 1.5, 0.9], [0, 1.1, 0.5, 1.5, 0.9], [0, 0.5, 0.5, 0.5, 0.9])
GOOD_BOXES = image(*[[0, *OK]] * 40)


@pytest.mark.parametrize(("policy", "left"), [("clip", 43), ("drop", 42)])
def test_mended_boxes_are_counted_and_named(policy: str, left: int) -> None:
    found = summary(*ALL, image(), BAD_BOXES, GOOD_BOXES, policy=policy)
    assert found.problems == ()
    assert found.class_counts.tolist() == [left - 1, 2, 1]
    done = "cut off there" if policy == "clip" else "left out"
    assert found.warnings[0].startswith(
        f"1 of 47 boxes cross the border of their image and are {done} (run.bad_boxes={policy}); first: record 3: has "
        "box 0 (corners 0.5, 0.5, 1.5, 0.9 of the image) partly outside"
    )
    assert "1 of 47 boxes lie outside their image and are left out" in found.warnings[1]
    assert "record 3: has box 1 " in found.warnings[1]
    assert "1 of 47 boxes have no area and are left out" in found.warnings[2]
    assert "record 3: has box 2 " in found.warnings[2]


def test_strict_runs_fail_with_all_of_them() -> None:
    found = summary(*ALL, BAD_BOXES, GOOD_BOXES, policy="fail")
    assert [problem.partition(" boxes ")[0] for problem in found.problems] == ["1 of 47"] * 3
    assert found.warnings == ()


@pytest.mark.parametrize("count", [1, 3])
def test_few_inverted_boxes_are_slips_and_many_are_not(count: int) -> None:
    inverted = image(*[[0, 0.5, 0.5, 0.3, 0.2]] * count)
    found = summary(*ALL, GOOD_BOXES, inverted)
    if count == 1:
        assert found.problems == ()
        assert "1 of 45 boxes end before they begin and are left out" in found.warnings[0]
    else:
        assert "3 of 47 boxes end before they begin; first: record 3: has box 0" in found.problems[0]
        assert "x, y, width, height" in found.problems[0]


def test_classes_counted_from_one() -> None:
    found = summary(image([1, *OK], [3, *OK]), image([2, *OK]))
    assert len(found.problems) == 1
    assert found.problems[0].startswith(
        "class ids run from 1 to 3 and none is 0, so they seem to be counted from 1: subtract 1 from each; 1 of 3 "
        "boxes have a class that does not exist; first: record 0: has the class 3 in box 1"
    )


def test_classes_counted_from_one_with_num_classes_one_too_large() -> None:
    found = summary(image([1, *OK], [2, *OK]), image([2, *OK]))
    assert found.problems == ()
    assert "no box has the class 0, but all others from 1 to 2 occur" in found.warnings[0]
    assert "set hp.num_classes=2" in found.warnings[0]


def test_classes_without_boxes() -> None:
    assert summary(*ALL, classes=5).warnings == ("no box has the class 3, 4, of 5 classes",)


def test_other_wrong_classes_are_not_taken_for_counting_from_one() -> None:
    found = summary(image([1, *OK], [7, *OK]), image([2, *OK]))
    assert found.problems[0].startswith(
        "1 of 3 boxes have a class that does not exist; first: record 0: has the class 7"
    )


def test_unreadable_labels_are_counted_and_the_first_of_each_kind_named() -> None:
    wrong = [np.array([3], np.float32)] * 6
    found = summary(*ALL, *wrong, np.array([4, 5, 0.5], np.float32))
    assert found.problems[0].startswith(
        "7 of 9 labels cannot be used: 6 times, in record 2, record 3, record 4, ...: has a single number"
    )
    assert "; record 8: has " in found.problems[0]


def test_nothing_to_detect() -> None:
    found = summary(image(), image([0, 1.1, 0.5, 1.5, 0.9]))
    assert found.problems == ("not one of 2 images has a box that can be used, so there is nothing to detect",)
