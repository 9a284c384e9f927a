from __future__ import annotations

import numpy as np
import pytest

from vision.data.inspect.look_alikes import LookAlikes, groups_to_keep, joined


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        ([[1, 4]], [0, 1, 2, 3, 1, 5]),
        ([[1, 4], [2, 5]], [0, 1, 2, 3, 1, 2]),
        ([[1, 4], [2, 4], [0, 2]], [0, 0, 0, 3, 0, 5]),
    ],
)
def test_groups_that_share_a_place_are_one(groups: list[list[int]], expected: list[int]) -> None:
    assert joined(groups, 6).tolist() == expected


def test_near_copies_bring_their_exact_copies_along() -> None:
    found = LookAlikes(exact=[[1, 5], [2, 3]], near=[[1, 2]], complete=True)
    group_of, apart = groups_to_keep(found, 6)
    assert group_of.tolist() == [0, 1, 1, 1, 4, 1]
    assert apart == 0


def test_of_a_chain_through_much_of_the_data_only_exact_copies_stay_together() -> None:
    found = LookAlikes(exact=[[0, 1]], near=[[0, *range(2, 90)]], complete=True)
    group_of, apart = groups_to_keep(found, 100)
    assert apart == 90
    assert group_of[:4].tolist() == [0, 0, 2, 3]
    assert len(np.unique(group_of)) == 99
