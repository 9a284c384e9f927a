from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vision.data.split import assign_parts


def counted(classes: list[tuple[int, ...]], part_of: np.ndarray) -> dict[int, Counter[int]]:
    counts: dict[int, Counter[int]] = {}
    for ids, part in zip(classes, part_of.tolist(), strict=True):
        counts.setdefault(part, Counter()).update(ids)
    return counts


def test_every_class_is_shared_out_exactly() -> None:
    classes = [(0,)] * 100 + [(1,)] * 50 + [(2,)] * 10
    counts = counted(classes, assign_parts(classes, (0.8, 0.2), seed=1))
    assert counts == {0: {0: 80, 1: 40, 2: 8}, 1: {0: 20, 1: 10, 2: 2}}


def test_three_parts_and_a_rare_class() -> None:
    classes = [(0,)] * 97 + [(1,)] * 3
    counts = counted(classes, assign_parts(classes, (0.34, 0.33, 0.33), seed=0))
    assert [counts[part][1] for part in range(3)] == [1, 1, 1]
    assert sorted(sum(counts[part].values()) for part in range(3)) == [33, 33, 34]


def test_sets_of_classes_are_spread() -> None:
    rng = np.random.default_rng(0)
    classes = [tuple(np.flatnonzero(rng.random(4) < (0.5, 0.3, 0.2, 0.05)).tolist()) for _ in range(400)]
    counts = counted(classes, assign_parts(classes, (0.75, 0.25), seed=3))
    for class_id in range(4):
        total = counts[0][class_id] + counts[1][class_id]
        assert abs(counts[1][class_id] - total / 4) <= 2


def test_groups_stay_together() -> None:
    classes = [(number % 3,) for number in range(120)]
    groups = np.arange(120) // 6
    part_of = assign_parts(classes, (0.7, 0.3), seed=0, groups=groups)
    for group in range(20):
        assert len({part_of[i] for i in range(120) if groups[i] == group}) == 1
    assert np.bincount(part_of).tolist() == [84, 36]


@pytest.mark.parametrize("stratify", [True, False])
def test_the_seed_decides(stratify: bool) -> None:
    classes = [(number % 2,) for number in range(60)]
    first, again, other = (assign_parts(classes, (0.5, 0.5), seed, stratify=stratify) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.bincount(first).tolist() == [30, 30]


def test_images_without_a_class_are_spread_too() -> None:
    classes: list[tuple[int, ...]] = [()] * 10 + [(0,)] * 10
    part_of = assign_parts(classes, (0.5, 0.5), seed=0)
    assert np.bincount(part_of[:10]).tolist() == [5, 5]
