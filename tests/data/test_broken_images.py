from __future__ import annotations

import pytest

from vision.data.broken_images import MAX_REPLACEMENTS, Broken, first_usable
from vision.settings.errors import DataError


@pytest.mark.parametrize(
    ("first", "unusable", "replace_broken", "found", "met"),
    [
        (1, set(), True, 1, []),
        (1, {1, 2}, True, 3, [1, 2]),
        (3, {3}, True, 0, [3]),
        (1, {1}, False, None, [1]),
        (2, {0, 1, 2, 3}, True, None, [2, 3, 0, 1]),
    ],
)
def test_the_next_image_takes_the_place_of_a_broken_one(
    first: int, unusable: set[int], replace_broken: bool, found: int | None, met: list[int]
) -> None:
    def read(index: int) -> int:
        if index in unusable:
            raise DataError(str(index), "is broken")
        return index

    broken: list[Broken] = []
    assert first_usable(first, 4, read, broken, replace_broken) == found
    assert broken == [(index, f"{index}: is broken") for index in met]


def test_a_channel_of_broken_images_is_given_up() -> None:
    def read(index: int) -> None:
        raise DataError(str(index), "is broken")

    broken: list[Broken] = []
    assert first_usable(0, 10 * MAX_REPLACEMENTS, read, broken) is None
    assert len(broken) == MAX_REPLACEMENTS
