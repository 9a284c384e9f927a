"""Counts against scikit-learn, torchmetrics and hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from vision.metrics.confusion import (
    DecisionCounts,
    confusion_counts,
    correct_in_top_k,
    predicted_classes,
    share,
)

NAN = float("nan")


def probabilities_and_targets(n: int = 400, k: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(n, k)).astype(np.float32)
    targets = rng.integers(0, k, n)
    logits[np.arange(n), targets] += 1
    exp = np.exp(logits)
    return (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32), targets


def multi_label(n: int = 300, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    targets = (rng.random((n, k)) < 0.3).astype(np.float32)
    probabilities = np.clip(0.35 * targets + 0.7 * rng.random((n, k)), 0, 1).astype(np.float32)
    return probabilities, targets


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_equals_scikit_learn(k: int) -> None:
    probabilities, targets = probabilities_and_targets()
    expected = sk.top_k_accuracy_score(targets, probabilities, k=k, normalize=False, labels=np.arange(7))
    assert correct_in_top_k(probabilities, targets, k) == expected


@pytest.mark.parametrize(
    ("row", "target", "k", "correct"),
    [
        ([0.2, 0.5, 0.3], 1, 1, 1),
        ([0.2, 0.5, 0.3], 2, 1, 0),
        ([0.2, 0.5, 0.3], 2, 2, 1),
        # among equals the lower id goes first, as numpy's and torch's argmax do
        ([0.4, 0.4, 0.2], 0, 1, 1),
        ([0.4, 0.4, 0.2], 1, 1, 0),
        ([0.4, 0.4, 0.2], 1, 2, 1),
        # NaN never wins
        ([NAN, 0.4, 0.2], 0, 2, 0),
        ([NAN, 0.4, 0.2], 1, 1, 1),
    ],
)
def test_top_k_of_one_row(row: list[float], target: int, k: int, correct: int) -> None:
    probabilities, targets = np.array([row], np.float32), np.array([target])
    assert correct_in_top_k(probabilities, targets, k) == correct
    if k == 1:
        assert (predicted_classes(probabilities)[0] == target) == bool(correct)


def test_confusion_equals_scikit_learn_and_adds_up_over_batches() -> None:
    probabilities, targets = probabilities_and_targets()
    predicted = predicted_classes(probabilities)
    whole = confusion_counts(predicted, targets, 7)
    np.testing.assert_array_equal(whole, sk.confusion_matrix(targets, predicted))
    for size in (1, 7, 64):
        parts = [
            confusion_counts(predicted[i : i + size], targets[i : i + size], 7) for i in range(0, len(targets), size)
        ]
        np.testing.assert_array_equal(sum(parts), whole)


def test_confusion_by_hand() -> None:
    counts = confusion_counts(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), 4)
    np.testing.assert_array_equal(counts, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    scores = DecisionCounts.of_confusion(counts)
    np.testing.assert_array_equal(scores.precision(), [1, 0.5, 1, NAN])
    np.testing.assert_array_equal(scores.recall(), [1, 1, 0.5, NAN])
    np.testing.assert_allclose(scores.f1(), [1, 2 / 3, 2 / 3, NAN])
    np.testing.assert_array_equal(scores.support, [1, 1, 2, 0])
    np.testing.assert_array_equal(scores.true_negatives, [3, 2, 2, 4])
    assert scores.macro(scores.recall()) == pytest.approx(5 / 6)


def test_class_ratios_equal_scikit_learn() -> None:
    probabilities, targets = probabilities_and_targets()
    predicted = predicted_classes(probabilities)
    counts = DecisionCounts.of_confusion(confusion_counts(predicted, targets, 7))
    precision, recall, f1, support = sk.precision_recall_fscore_support(targets, predicted)
    np.testing.assert_allclose(counts.precision(), precision)
    np.testing.assert_allclose(counts.recall(), recall)
    np.testing.assert_allclose(counts.f1(), f1)
    np.testing.assert_array_equal(counts.support, support)
    assert counts.macro(counts.f1()) == pytest.approx(f1.mean())


def test_a_class_never_predicted_counts_as_zero_in_the_average() -> None:
    counts = DecisionCounts.of_confusion(confusion_counts(np.array([0, 0]), np.array([0, 1]), 2))
    assert counts.macro(counts.precision()) == pytest.approx(0.25)


def test_multi_label_equals_scikit_learn_and_torchmetrics() -> None:
    import torch
    from torchmetrics.classification import MultilabelAccuracy

    probabilities, targets = multi_label()
    counts = DecisionCounts.of_multi_label(probabilities, targets)
    yes = probabilities > 0.5
    assert counts.micro_f1() == pytest.approx(sk.f1_score(targets, yes, average="micro"))
    assert counts.macro(counts.f1()) == pytest.approx(sk.f1_score(targets, yes, average="macro"))
    reference = MultilabelAccuracy(num_labels=5, average="micro")
    expected = float(reference(torch.tensor(probabilities), torch.tensor(targets).int()))
    assert counts.averaged_accuracy() == pytest.approx(expected)


def test_averaged_accuracy_has_the_denominator_of_the_contract() -> None:
    # 144 images x 3 classes with 251 right decisions: SageMaker's logs print 0.581019
    targets = np.zeros((144, 3), np.float32)
    probabilities = np.zeros((144, 3), np.float32)
    probabilities.ravel()[: 432 - 251] = 1
    assert f"{DecisionCounts.of_multi_label(probabilities, targets).averaged_accuracy():.6f}" == "0.581019"


def test_the_threshold_itself_is_a_no() -> None:
    counts = DecisionCounts.of_multi_label(np.array([[0.5, 0.50001]]), np.array([[1.0, 1.0]]))
    np.testing.assert_array_equal(counts.true_positives, [0, 1])


def test_nothing_has_no_share() -> None:
    assert np.isnan(share(0, 0))
    empty = DecisionCounts.of_confusion(np.zeros((3, 3), np.int64))
    assert np.isnan(empty.macro(empty.f1()))
