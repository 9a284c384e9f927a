from __future__ import annotations

import os
import time

import pytest

from vision.data.parallel import ordered_map
from vision.settings.errors import UserError


def slow_square(shift: int, number: int) -> int:
    time.sleep(0.02 if number == 0 else 0)
    return number * number + shift


def vanish(shared: None, number: int) -> int:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers: int) -> None:
    assert list(ordered_map(slow_square, 5, range(20), workers)) == [number * number + 5 for number in range(20)]


def test_only_some_items_are_under_way() -> None:
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered_map(slow_square, 0, items(), 2)
    next(results)
    assert len(taken) <= 6
    results.close()


def test_an_ended_worker_is_a_sentence() -> None:
    with pytest.raises(UserError, match="use fewer workers"):
        list(ordered_map(vanish, None, range(3), 2))
