"""Batches made by threads of this process, in the sampler's order.

Decoding runs outside Python's lock, so a few threads do what as many processes do, without each batch's way through
shared memory, which costs a fifth of the time of decoding 500x375. Of many threads Python's lock takes the gain back.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from vision.data.collate import Batch
from vision.data.sampler import Draw

# Batches under way for each thread.
_DEPTH = 2


class MakesBatches(Protocol):
    """A dataset."""

    def __getitems__(self, draw: Draw) -> Batch: ...


class Draws(Sized, Protocol):
    """A sampler."""

    def __iter__(self) -> Iterator[Draw]: ...


class _Epoch:
    """One iteration of the sampler, some batches of it under way."""

    def __init__(self, dataset: MakesBatches, draws: Iterator[Draw], pool: ThreadPoolExecutor, depth: int) -> None:
        self._dataset = dataset
        self._draws = draws
        self._pool = pool
        self._pending: deque[Future[Batch]] = deque()
        for _ in range(depth):
            self._begin_next()

    @property
    def is_over(self) -> bool:
        return not self._pending

    def take(self) -> Batch:
        batch = self._pending.popleft().result()
        self._begin_next()
        return batch

    def cancel(self) -> None:
        for future in self._pending:
            future.cancel()

    def _begin_next(self) -> None:
        draw = next(self._draws, None)
        if draw is not None:
            self._pending.append(self._pool.submit(self._dataset.__getitems__, draw))


class ThreadLoader:
    """Iterates as torch's DataLoader does. ``ahead``: an epoch's first batches are made while the one before ends."""

    def __init__(self, dataset: MakesBatches, sampler: Draws, threads: int, *, ahead: bool) -> None:
        self.dataset = dataset
        # Not ``sampler``: Lightning takes what has one for a DataLoader.
        self._sampler = sampler
        self.ahead = ahead
        self._depth = _DEPTH * threads
        self._pool = ThreadPoolExecutor(threads, "load")
        self._next: _Epoch | None = None
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._next or self._begin()
        self._next = None
        try:
            while not epoch.is_over:
                batch = epoch.take()
                if epoch.is_over and self.ahead:
                    # Before the last batch is given away: whoever counts them asks for no further one.
                    self._next = self._begin()
                yield batch
        finally:
            epoch.cancel()

    def _begin(self) -> _Epoch:
        return _Epoch(self.dataset, iter(self._sampler), self._pool, self._depth)
