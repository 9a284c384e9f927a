from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vision.data.stratification import assign_parts


def once(classes: list[tuple[int, ...]]) -> list[dict[int, float]]:
    return [dict.fromkeys(ids, 1.0) for ids in classes]


def folds_of(counts: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each image of a table float64 [N, K], how often it shows each class."""
    labels = [{class_id: count for class_id, count in enumerate(row) if count} for row in counts.tolist()]
    return assign_parts(labels, [1 / folds] * folds, seed, groups)


def counted(classes: list[tuple[int, ...]], part_of: np.ndarray) -> dict[int, Counter[int]]:
    counts: dict[int, Counter[int]] = {}
    for ids, part in zip(classes, part_of.tolist(), strict=True):
        counts.setdefault(part, Counter()).update(ids)
    return counts


def test_every_class_is_shared_out_exactly() -> None:
    classes = [(0,)] * 100 + [(1,)] * 50 + [(2,)] * 10
    counts = counted(classes, assign_parts(once(classes), (0.8, 0.2), seed=1))
    assert counts == {0: {0: 80, 1: 40, 2: 8}, 1: {0: 20, 1: 10, 2: 2}}


def test_three_parts_and_a_rare_class() -> None:
    classes = [(0,)] * 97 + [(1,)] * 3
    counts = counted(classes, assign_parts(once(classes), (0.34, 0.33, 0.33), seed=0))
    assert [counts[part][1] for part in range(3)] == [1, 1, 1]
    assert sorted(sum(counts[part].values()) for part in range(3)) == [33, 33, 34]


def test_sets_of_classes_are_spread() -> None:
    rng = np.random.default_rng(0)
    classes = [tuple(np.flatnonzero(rng.random(4) < (0.5, 0.3, 0.2, 0.05)).tolist()) for _ in range(400)]
    counts = counted(classes, assign_parts(once(classes), (0.75, 0.25), seed=3))
    for class_id in range(4):
        total = counts[0][class_id] + counts[1][class_id]
        assert abs(counts[1][class_id] - total / 4) <= 2


def test_groups_stay_together() -> None:
    classes = [(number % 3,) for number in range(120)]
    groups = np.arange(120) // 6
    part_of = assign_parts(once(classes), (0.7, 0.3), seed=0, groups=groups)
    for group in range(20):
        assert len({part_of[i] for i in range(120) if groups[i] == group}) == 1
    assert np.bincount(part_of).tolist() == [84, 36]


@pytest.mark.parametrize("stratify", [True, False])
def test_the_seed_decides(stratify: bool) -> None:
    classes = [(number % 2,) for number in range(60)]
    first, again, other = (assign_parts(once(classes), (0.5, 0.5), seed, stratify=stratify) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.bincount(first).tolist() == [30, 30]


def test_images_without_a_class_are_spread_too() -> None:
    classes: list[tuple[int, ...]] = [()] * 10 + [(0,)] * 10
    part_of = assign_parts(once(classes), (0.5, 0.5), seed=0)
    assert np.bincount(part_of[:10]).tolist() == [5, 5]


def one_hot(labels: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[labels]


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("sizes", [(10, 10), (31, 7, 5), (50, 3, 1)])
def test_each_class_is_shared_out_evenly_among_folds(folds: int, sizes: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    fold_of = folds_of(one_hot(labels.tolist(), len(sizes)), folds, seed=0)
    for label in range(len(sizes)):
        shares = np.bincount(fold_of[labels == label], minlength=folds)
        assert shares.max() - shares.min() <= 1, (label, shares)
    counts = np.bincount(fold_of, minlength=folds)
    assert counts.max() - counts.min() <= len(sizes)


def test_several_labels_an_image() -> None:
    rng = np.random.default_rng(0)
    hot = (rng.random((200, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(float)
    fold_of = folds_of(hot, 5, seed=1)
    for label in range(4):
        shares = [hot[fold_of == fold, label].sum() for fold in range(5)]
        assert max(shares) - min(shares) <= 3, shares
    assert set(np.bincount(fold_of)) <= set(range(35, 46))


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_groups_stay_in_one_fold_and_classes_are_even_all_the_same(folds: int) -> None:
    labels = np.repeat(np.arange(3), (40, 20, 10))
    groups = np.arange(70)
    groups[:8], groups[40:44], groups[[60, 61]] = 0, 40, 60
    fold_of = folds_of(one_hot(labels.tolist(), 3), folds, 0, groups)
    assert all(len(set(fold_of[groups == group])) == 1 for group in (0, 40, 60))
    for label in range(3):
        shares = np.bincount(fold_of[labels == label], minlength=folds)
        assert shares.max() - shares.min() <= 2, (label, shares)


def test_groups_of_one_image_change_nothing() -> None:
    hot = one_hot([0, 1, 1, 0, 2, 2, 1, 0], 3)
    assert np.array_equal(folds_of(hot, 2, 7), folds_of(hot, 2, 7, np.arange(8)))


def test_boxes_count() -> None:
    """One image with many boxes weighs as much as many images with one."""
    counts = np.array([[8.0], *([[1.0]] * 8)])
    fold_of = folds_of(counts, 2, seed=0)
    totals = [counts[fold_of == fold].sum() for fold in (0, 1)]
    assert max(totals) <= 10


def test_images_without_labels_fill_up() -> None:
    fold_of = folds_of(np.zeros((10, 3)), 5, seed=0)
    assert np.bincount(fold_of).tolist() == [2] * 5
