from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from vision.data.collate import Batch
from vision.data.sampler import Draw, TrainSampler
from vision.data.thread_loader import ThreadLoader


class Slow:
    """Batches that hold the draw's indices; the first image's number decides how long it takes. 13 is an error."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []

    def __getitems__(self, draw: Draw) -> Batch:
        indices = draw.indices.tolist()
        time.sleep(0.001 * (indices[0] % 3))
        if 13 in indices:
            raise ValueError("unlucky")
        self.made.append(indices)
        return Batch(torch.empty(0), None, torch.from_numpy(draw.indices), ())


def draws(*firsts: int) -> list[Draw]:
    return [Draw(np.array([first]), np.array([0], np.uint64)) for first in firsts]


def shown(batches: Iterator[Batch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("ahead", [False, True])
def test_batches_come_in_the_samplers_order_epoch_after_epoch(threads: int, ahead: bool) -> None:
    loader = ThreadLoader(Slow(), TrainSampler(10, 3, seed=4), threads, ahead=ahead)
    expected = TrainSampler(10, 3, seed=4)
    assert len(loader) == 3
    for _ in range(4):
        assert shown(iter(loader)) == [draw.indices.tolist() for draw in expected]


def test_a_consumer_that_counts_leaves_the_next_epoch_under_way() -> None:
    dataset = Slow()
    loader, expected = ThreadLoader(dataset, TrainSampler(10, 3, seed=4), 2, ahead=True), TrainSampler(10, 3, seed=4)
    for epoch in range(3):
        batches = iter(loader)
        # As Lightning does, which never asks for what comes after the last.
        found = shown(next(batches) for _ in range(3))
        assert found == [draw.indices.tolist() for draw in expected]
        deadline = time.monotonic() + 30
        while len(dataset.made) <= 3 * (epoch + 1) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(dataset.made) > 3 * (epoch + 1)


def test_an_error_comes_where_it_occurred() -> None:
    batches = iter(ThreadLoader(Slow(), draws(1, 2, 13, 4), 2, ahead=False))
    assert [next(batches).indices.item(), next(batches).indices.item()] == [1, 2]
    with pytest.raises(ValueError, match="unlucky"):
        next(batches)


def test_no_more_batches_are_under_way_than_are_needed_soon() -> None:
    dataset = Slow()
    batches = iter(ThreadLoader(dataset, draws(*range(100, 200)), 2, ahead=False))
    next(batches)
    time.sleep(0.1)
    assert len(dataset.made) <= 6


def test_a_loader_that_is_gone_leaves_no_threads() -> None:
    before = threading.active_count()
    loader = ThreadLoader(Slow(), draws(1, 2, 3), 2, ahead=True)
    assert len(shown(iter(loader))) == 3
    del loader
    gc.collect()
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert threading.active_count() <= before
