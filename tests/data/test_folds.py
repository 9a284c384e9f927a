from __future__ import annotations

import numpy as np
import pytest

from vision.data.folds import stratified_folds


def one_hot(labels: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[labels]


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("sizes", [(10, 10), (31, 7, 5), (50, 3, 1)])
def test_each_class_is_shared_out_evenly(folds: int, sizes: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    fold_of = stratified_folds(one_hot(labels.tolist(), len(sizes)), folds, seed=0)
    for label in range(len(sizes)):
        shares = np.bincount(fold_of[labels == label], minlength=folds)
        assert shares.max() - shares.min() <= 1, (label, shares)
    counts = np.bincount(fold_of, minlength=folds)
    assert counts.max() - counts.min() <= len(sizes)


def test_several_labels_an_image() -> None:
    rng = np.random.default_rng(0)
    hot = (rng.random((200, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(float)
    fold_of = stratified_folds(hot, 5, seed=1)
    for label in range(4):
        shares = [hot[fold_of == fold, label].sum() for fold in range(5)]
        assert max(shares) - min(shares) <= 3, shares
    assert set(np.bincount(fold_of)) <= {38, 39, 40, 41, 42}


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_groups_stay_in_one_fold_and_classes_are_even_all_the_same(folds: int) -> None:
    labels = np.repeat(np.arange(3), (40, 20, 10))
    groups = np.arange(70)
    groups[:8], groups[40:44], groups[[60, 61]] = 0, 40, 60
    fold_of = stratified_folds(one_hot(labels.tolist(), 3), folds, 0, groups)
    assert all(len(set(fold_of[groups == group])) == 1 for group in (0, 40, 60))
    for label in range(3):
        shares = np.bincount(fold_of[labels == label], minlength=folds)
        assert shares.max() - shares.min() <= 2, (label, shares)


def test_groups_of_one_image_change_nothing() -> None:
    hot = one_hot([0, 1, 1, 0, 2, 2, 1, 0], 3)
    assert np.array_equal(stratified_folds(hot, 2, 7), stratified_folds(hot, 2, 7, np.arange(8)))


def test_boxes_count() -> None:
    """One image with many boxes weighs as much as many images with one."""
    counts = np.array([[8.0], *([[1.0]] * 8)])
    fold_of = stratified_folds(counts, 2, seed=0)
    totals = [counts[fold_of == fold].sum() for fold in (0, 1)]
    assert max(totals) <= 10


def test_images_without_labels_fill_up() -> None:
    fold_of = stratified_folds(np.zeros((10, 3)), 5, seed=0)
    assert np.bincount(fold_of).tolist() == [2] * 5


def test_the_seed_decides() -> None:
    labels = one_hot([0, 1] * 20, 2)
    first, again, other = (stratified_folds(labels, 4, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
