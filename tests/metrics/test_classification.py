"""What the evaluation of a classifier says, on cases small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from vision.metrics.classification import MOST_MISTAKES, evaluation_of_classification
from vision.metrics.evaluation import Evaluation

NAMES = ("cat", "dog", "eel")
# truth:     cat, dog, dog, cat          eel never occurs
TARGETS = np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1, 0], [0.6, 0.3, 0.1], [0, 1, 0], [0.01, 0.02, 0.97]], np.float32)


def evaluate(probabilities: np.ndarray, targets: np.ndarray, **settings: object) -> Evaluation:
    chosen: dict = {"top_k": None, "multi_label": False, "keys": "record {}".format} | settings
    names = NAMES if probabilities.shape[1] == 3 else [f"c{i}" for i in range(probabilities.shape[1])]
    return evaluation_of_classification(probabilities, targets, names, **chosen)


def test_single_label_by_hand() -> None:
    found = evaluate(PROBABILITIES, TARGETS, top_k=2)
    assert found.num_images == 4
    assert found.metrics["accuracy"] == 0.5
    assert found.metrics["top_k_accuracy_2"] == 0.75
    # cat: precision 1/2, recall 1/2; dog: precision 1, recall 1/2
    assert found.metrics["macro_precision"] == 0.75
    assert found.metrics["macro_recall"] == 0.5
    assert found.metrics["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    np.testing.assert_array_equal(found.matrices[0].counts, [[1, 0, 1], [1, 1, 0], [0, 0, 0]])
    confused, classes = found.tables[1:3]
    assert classes.columns == ("class", "precision", "recall", "F1", "images")
    assert classes.rows[0] == ("cat", 0.5, 0.5, 0.5, 2)
    assert classes.rows[2] == ("eel", 0.0, None, 0.0, 0)
    assert confused.rows == (("cat", "eel", 1, 0.5), ("dog", "cat", 1, 0.5))
    assert [c.title for c in found.curves] == ["PR curves", "Calibration", "By threshold"]
    assert set(found.curves[0].series) == {"cat", "dog"}
    assert "1 of 3 classes have no image" in found.notes[1]


def test_mistakes_are_the_most_confident_first_and_carry_index_and_key() -> None:
    gallery, *_ = evaluate(PROBABILITIES, TARGETS).galleries
    assert [(e.index, e.key, e.caption) for e in gallery.examples] == [
        (3, "record 3", "truth cat / predicted eel 0.97"),
        (1, "record 1", "truth dog / predicted cat 0.60"),
    ]


def test_mistakes_are_numbered_as_in_the_reader_when_broken_images_were_left_out() -> None:
    gallery, *_ = evaluate(PROBABILITIES, TARGETS, indices=np.array([0, 2, 5, 9])).galleries
    assert [(e.index, e.key) for e in gallery.examples] == [(9, "record 9"), (2, "record 2")]


def test_at_most_64_mistakes_are_shown_and_only_their_keys_asked() -> None:
    asked: set[int] = set()
    found = evaluate(
        np.tile(np.array([[0, 1, 0]], np.float32), (1000, 1)),
        np.zeros(1000, np.int64),
        keys=lambda i: asked.add(i) or str(i),
    )
    assert len(found.galleries[0].examples) == len(asked) == MOST_MISTAKES


def test_many_classes_have_no_pr_curves() -> None:
    found = evaluate(np.eye(21, dtype=np.float32), np.arange(21))
    assert [c.title for c in found.curves] == ["Calibration", "By threshold"]
    assert found.metrics["accuracy"] == 1.0
    assert found.galleries[0].examples == ()
    assert found.tables[1].rows == ()


def test_multi_label_by_hand() -> None:
    targets = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]], np.float32)
    probabilities = np.array([[0.9, 0.2, 0.6], [0.1, 0.3, 0.1], [0.8, 0.1, 0.2]], np.float32)
    found = evaluate(probabilities, targets, multi_label=True)
    assert found.metrics["accuracy"] == pytest.approx(7 / 9)
    # cat is ranked perfectly, dog second of three, eel has no image
    assert found.metrics["mAP"] == pytest.approx((1 + 0.5) / 2)
    assert found.metrics["micro_f1"] == pytest.approx(4 / 6)
    assert found.metrics["macro_f1"] == pytest.approx(0.5)
    classes = found.tables[1]
    assert classes.columns[:5] == ("class", "AP", "precision", "recall", "F1")
    assert classes.rows[1] == ("dog", 0.5, None, 0.0, 0.0, 1, 0, 1)
    assert [e.caption for e in found.galleries[0].examples] == [
        "truth cat, dog / predicted cat 0.90, eel 0.60",
    ]


@pytest.mark.parametrize("multi_label", [False, True])
def test_every_label_is_judged_at_its_threshold(multi_label: bool) -> None:
    targets = np.eye(3)[TARGETS] if multi_label else TARGETS
    found = evaluate(PROBABILITIES, targets, multi_label=multi_label, thresholds=[0.6, 0.25, None])
    # cat 0.9 (true), 0.6; dog 0.3 and 1 (both true); eel is never true.
    assert found.tables[0].rows == (
        ("cat", 0.6, 0.5, 0.5, 0.5, 2, 1, 1, 1),
        ("dog", 0.25, 1.0, 1.0, 1.0, 2, 2, 0, 0),
        ("eel", None, None, None, None, 0, 0, 0, 0),
    )
    assert [gallery.title for gallery in found.galleries] == ["Mistakes", "False positives", "Misses"]
    assert [e.caption for e in found.galleries[1].examples] == ["truth dog / predicted cat 0.60"]
    assert [e.caption for e in found.galleries[2].examples] == ["missed cat 0.01 / predicted none"]


def test_multi_label_map_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    targets = (rng.random((200, 6)) < 0.3).astype(np.float32)
    probabilities = np.clip(0.3 * targets + 0.7 * rng.random((200, 6)), 0, 1).astype(np.float32)
    found = evaluate(probabilities, targets, multi_label=True)
    expected = sk.average_precision_score(targets, probabilities, average="macro")
    assert found.metrics["mAP"] == pytest.approx(expected)


def test_long_lists_of_labels_are_shortened() -> None:
    targets = np.ones((1, 5), np.float32)
    found = evaluate(np.zeros((1, 5), np.float32), targets, multi_label=True)
    assert found.galleries[0].examples[0].caption == "truth c0, c1, c2 and 2 more / predicted none"


def test_a_diverged_network_is_reported_rather_than_praised() -> None:
    found = evaluate(np.full((3, 3), np.nan, np.float32), np.array([1, 2, 1]))
    assert found.metrics["accuracy"] == 0.0
    assert "3 images with probabilities that are not numbers" in found.notes[-1]
    both = evaluate(np.full((2, 3), np.nan, np.float32), np.ones((2, 3)), multi_label=True)
    assert both.metrics["accuracy"] == 0.0


def test_no_images_give_no_figures() -> None:
    found = evaluate(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    assert np.isnan(found.metrics["accuracy"])
    assert found.galleries[0].examples == ()
