from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from vision.data.prefetch import Prefetch


def test_items_come_in_order_and_end() -> None:
    with Prefetch(iter(range(100)), depth=3) as ahead:
        assert list(ahead) == list(range(100))


def test_it_runs_ahead_as_far_as_told() -> None:
    made: list[int] = []
    reached = threading.Event()

    def source() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            if number == 4:
                reached.set()
            yield number

    with Prefetch(source(), depth=3) as ahead:
        items = iter(ahead)
        assert next(items) == 0
        # One is taken, three wait, one more is made and finds no room.
        assert reached.wait(20)
        assert made == [0, 1, 2, 3, 4]


def test_an_error_comes_where_it_happened() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken source")

    with Prefetch(source(), depth=3) as ahead:
        items = iter(ahead)
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken source"):
            next(items)


def test_leaving_ends_the_thread() -> None:
    with Prefetch(itertools.count(), depth=1) as ahead:
        next(iter(ahead))
    ahead.wait()
    assert not ahead._thread.is_alive()
