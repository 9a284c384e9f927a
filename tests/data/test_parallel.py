from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator

import pytest

from vision.data.parallel import ordered_map
from vision.settings.errors import UserError


def slow_square(shift: int, number: int) -> int:
    time.sleep(0.02 if number == 0 else 0)
    return number * number + shift


def vanish(shared: None, number: int) -> int:
    os._exit(1)


def stop_or_kill(signals: list[int], number: int) -> int:
    os.kill(os.getpid(), signals[number])
    time.sleep(600)
    return number


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
    assert isinstance(results, Generator)
    results.close()


def test_an_ended_worker_is_a_sentence() -> None:
    with pytest.raises(UserError, match="use fewer workers"):
        list(ordered_map(vanish, None, range(3), 2))


def test_a_killed_worker_beside_a_stopped_one_is_a_sentence() -> None:
    with pytest.raises(UserError, match="a worker process was ended from outside"):
        list(ordered_map(stop_or_kill, [signal.SIGSTOP, signal.SIGKILL], range(2), 2))


def test_stopped_workers_are_a_sentence_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.data.parallel._STALL_S", 1.0)
    with pytest.raises(UserError, match="no worker process gave a result within 1 s: one is stopped"):
        list(ordered_map(stop_or_kill, [signal.SIGSTOP] * 2, range(2), 2))
