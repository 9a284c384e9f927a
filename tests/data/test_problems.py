from __future__ import annotations

import pytest

from vision.data.problems import Problems
from vision.settings.errors import DataError


def test_no_problem_is_no_error() -> None:
    Problems("a.lst").raise_if_any()


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, "a.lst: line 0: bad"),
        (2, "a.lst: 2 problems:\n  2 times, in line 0, line 1: bad"),
        (12, "a.lst: 12 problems:\n  12 times, in line 0, line 1, line 2, ...: bad"),
    ],
)
def test_all_are_counted_and_equal_ones_told_once(count: int, message: str) -> None:
    problems = Problems("a.lst")
    for number in range(count):
        problems.add(f"line {number}: bad")
    with pytest.raises(DataError) as caught:
        problems.raise_if_any()
    assert str(caught.value) == message
