from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.detection_records import records_of
from vision.metrics.box_pairs import confusion_with_background, pair_boxes

A, NEAR_A, FAR = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.45], [0.6, 0.6, 0.9, 0.9]
BACKGROUND = 2


def confusion(*images: tuple) -> np.ndarray:
    records = records_of(*images)
    return confusion_with_background(records, pair_boxes(records, 0.5), 2)


def cells(**counts: int) -> np.ndarray:
    """``r0c1=2``: two objects of class 0 detected as class 1."""
    matrix = np.zeros((3, 3), np.int64)
    for name, count in counts.items():
        matrix[int(name[1]), int(name[3])] = count
    return matrix


@pytest.mark.parametrize(
    ("detections", "truths", "expected"),
    [
        ([], [], {}),
        ([(0, A, 0.9)], [(0, A, False)], {"r0c0": 1}),
        ([(1, A, 0.9)], [(0, A, False)], {"r0c1": 1}),
        ([(0, A, 0.9)], [], {"r2c0": 1}),
        ([], [(1, A, False)], {"r1c2": 1}),
        ([(0, FAR, 0.9)], [(0, A, False)], {"r2c0": 1, "r0c2": 1}),
        # Too weak to count.
        ([(0, A, 0.49)], [(0, A, False)], {"r0c2": 1}),
        ([(0, A, 0.5)], [(0, A, False)], {"r0c0": 1}),
        # A second detection of the same object.
        ([(0, A, 0.9), (0, NEAR_A, 0.8)], [(0, A, False)], {"r0c0": 1, "r2c0": 1}),
        # The object of its own class goes before the one that overlaps more.
        ([(1, A, 0.9)], [(0, A, False), (1, NEAR_A, False)], {"r1c1": 1, "r0c2": 1}),
        # The better score chooses first.
        ([(0, A, 0.6), (1, A, 0.7)], [(0, A, False)], {"r0c1": 1, "r2c0": 1}),
        # Difficult objects count neither way.
        ([(0, A, 0.9)], [(0, A, True)], {}),
        ([], [(0, A, True)], {}),
        ([(0, A, 0.9), (1, FAR, 0.9)], [(0, A, True), (1, FAR, False)], {"r1c1": 1}),
    ],
)
def test_confusions_of_one_image(detections: list, truths: list, expected: dict[str, int]) -> None:
    np.testing.assert_array_equal(confusion((detections, truths)), cells(**expected))


def test_images_do_not_meet() -> None:
    found = confusion(([(0, A, 0.9)], []), ([], [(0, A, False)]), ([(1, A, 0.9)], [(1, A, False)]))
    np.testing.assert_array_equal(found, cells(r2c0=1, r0c2=1, r1c1=1))


def test_rows_of_the_records_are_named() -> None:
    records = records_of(([(0, FAR, 0.6), (0, A, 0.1), (0, A, 0.9)], [(0, A, False), (1, FAR, False)]), ([], []))
    pairs = pair_boxes(records, 0.5)
    assert pairs.detections.tolist() == [2, 0]
    assert pairs.truth_of.tolist() == [0, 1]
    assert pairs.is_found.tolist() == [True, True]
