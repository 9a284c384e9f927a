"""What is said of a figure in plain words, and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from vision.metrics.bootstrap import Interval, PlainWords
from vision.metrics.evaluation import Evaluation
from vision.metrics.image_weights import WeightedClassification, WeightedMultiLabel
from vision.metrics.segmentation import PixelCounts, WeightedSegmentation
from vision.metrics.verdict import Verdict, selection_sentence, verdict_of, wilson_interval

NAN = math.nan


@pytest.mark.parametrize(("right", "count"), [(17, 39), (0, 5), (5, 5), (1, 1), (970, 1000)])
def test_the_interval_of_a_share_is_scipys(right: int, count: int) -> None:
    expected = stats.binomtest(right, count).proportion_ci(method="wilson")
    found = wilson_interval(right / count, count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def sentences(value: float, low: float, high: float, guess: float = NAN, images: int = 39) -> tuple[str, ...]:
    words = PlainWords("{figure} of {images} {are} right", "Guessing", guess)
    return Verdict("accuracy", images, Interval(value, low, high), words).sentences()


def test_one_image_is_singular() -> None:
    said = sentences(0.0, 0.0, 0.793, images=1)
    assert said[0] == "0.0 % (95 % interval 0.0 to 79.3 %) of 1 image is right."
    assert said[-1] == "1 image is too few to tell 0 % from 79 %."


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            (0.436, 0.293, 0.59, 0.36),
            (
                "43.6 % (95 % interval 29.3 to 59.0 %) of 39 images are right.",
                "Guessing gives 36.0 %.",
                "39 images are too few to say that the model is better than that.",
            ),
        ),
        (
            (0.82, 0.67, 0.91, 0.36),
            (
                "82.0 % (95 % interval 67.0 to 91.0 %) of 39 images are right.",
                "Guessing gives 36.0 %.",
                "39 images are too few to tell 82 % from 67 %.",
            ),
        ),
        (
            (0.3, 0.28, 0.32, 0.36, 4000),
            (
                "30.0 % (95 % interval 28.0 to 32.0 %) of 4,000 images are right.",
                "Guessing gives 36.0 %, which the model does not surpass.",
            ),
        ),
        ((NAN, NAN, NAN), ()),
    ],
)
def test_sentences(values: Sequence[float], expected: tuple[str, ...]) -> None:
    assert sentences(*values) == expected


def test_a_classifier_is_held_against_its_largest_class() -> None:
    targets = np.array([0, 0, 0, 1, 2])
    found = verdict_of("accuracy", WeightedClassification(np.eye(3)[[0, 0, 1, 1, 2]], targets, None), 5)
    assert found.words.guess_value == 0.6
    assert found.interval == wilson_interval(0.8, 5)


def test_several_labels_are_held_against_the_more_frequent_answers() -> None:
    truth = np.array([[True, False], [True, False], [True, True], [False, False]])
    figures = WeightedMultiLabel(truth * 0.8, truth)
    assert figures.words.guess_value == 0.75
    found = verdict_of("accuracy", figures, 4)
    assert found.interval == Interval(1.0, 1.0, 1.0)


def test_masks_are_held_against_one_class_for_all_pixels() -> None:
    confusion = np.array([[50, 10], [10, 30]])
    figures = WeightedSegmentation(PixelCounts([PixelCounts.sparse(confusion)] * 3, 2))
    # The larger class has 60 of 100 pixels, and the other none: (0.6 + 0) / 2.
    assert figures.words.guess_value == pytest.approx(0.3)


def test_of_no_images_nothing_is_said() -> None:
    figures = WeightedClassification(np.zeros((0, 2)), np.zeros(0, np.int64), None)
    assert verdict_of("accuracy", figures, 0).sentences() == ()
    assert Evaluation(0, {}, ()).verdict is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5], None),
        ([0.5, NAN], None),
        ([0.1, 0.5, 0.9, 0.7, 0.6, 0.8], "best of 6 epochs by these very images, so its figure flatters (epochs next"),
        ([0.9, 0.9, 0.9], "best of 3 epochs by these very images, so its figure flatters: images"),
    ],
)
def test_the_best_epoch_flatters(values: list[float], expected: str | None) -> None:
    found = selection_sentence(values)
    assert found == expected if expected is None else expected in (found or "")


def test_the_epochs_next_to_the_best_are_averaged() -> None:
    # Two on either side of 0.9: 0.1, 0.5, 0.7 and 0.6.
    assert "(epochs next to it: 47.5 %)" in (selection_sentence([0.1, 0.5, 0.9, 0.7, 0.6, 0.8]) or "")
