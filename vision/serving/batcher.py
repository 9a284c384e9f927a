"""Gathers images of many requests into batches, for one thread that owns the network.

An image waits only while others are on their way (being received or decoded), at most ``max_wait_s``: a lone client
waits for nobody. While the network works, the next batch gathers by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

# So many predictions that fail in a row are not the images' fault.
_MOST_FAILURES = 16

Predict = Callable[[list[np.ndarray]], list[Any]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    image: np.ndarray
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    arrived_s: float


class Batcher:
    """``predict`` maps images uint8 [H, W, C] of one size to one prediction each.

    ``device`` is held while it runs: models that share a device take turns. ``observe(images, seconds)`` is
    called after each batch, while it is still held.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        max_batch: int,
        max_wait_s: float,
        device: AbstractContextManager[Any] | None = None,
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self._predict = predict
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._device = device or nullcontext()
        self._observe = observe
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._expected = 0
        self._is_closed = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Images that wait for a batch."""
        return len(self._waiting)

    @property
    def is_healthy(self) -> bool:
        """False when the last predictions have all failed, as on a GPU that has given up."""
        return self._thread.is_alive() and self._failures < _MOST_FAILURES

    def expect(self, change: int) -> None:
        """Tell of images on their way: +1 when one is announced, -1 when it has come or will not."""
        with self._changed:
            self._expected += change
            if self._expected <= 0:
                self._changed.notify()

    def submit(self, image: np.ndarray) -> asyncio.Future[Any]:
        """Put an image into the queue: a future of its prediction, or of what ``predict`` raised for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the model has been unloaded")
            self._waiting.append(_Waiting(image, future, loop, time.monotonic()))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            # Who has given up, by a timeout, needs no answer.
            batch = [item for item in batch if not item.future.done()]
            if not batch:
                continue
            with self._device:
                started = time.monotonic()
                results = self._predict_each(batch)
                self._observe(len(batch), time.monotonic() - started)
            _deliver(batch, results)

    def _take(self) -> list[_Waiting]:
        """The next batch; empty when closed and done."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if not self._waiting:
                return []
            deadline_s = self._waiting[0].arrived_s + self._max_wait_s
            while len(self._waiting) < self._max_batch and self._expected > 0 and not self._is_closed:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            return [self._waiting.popleft() for _ in range(batch_size(len(self._waiting), self._max_batch))]

    def _predict_each(self, batch: list[_Waiting]) -> list[Any]:
        """A prediction or an exception for each; if the batch fails, each is tried alone."""
        try:
            results = self._predict([item.image for item in batch])
            self._failures = 0
            return results
        except Exception as error:
            if len(batch) == 1:
                self._failures += 1
                return [error]
            log.exception("a batch of %d images failed; each is tried alone", len(batch))
        return [result for item in batch for result in self._predict_each([item])]


def batch_size(waiting: int, max_batch: int) -> int:
    """How many of the waiting images to take: ``max_batch``, or the largest power of two that there are.

    A network prepares itself anew for every size that it has not seen, which can take longer than the batch itself.
    """
    return max_batch if waiting >= max_batch else 1 << (waiting.bit_length() - 1)


def _deliver(batch: list[_Waiting], results: list[Any]) -> None:
    """Hand the results to the event loops, waking each once."""
    assert len(batch) == len(results)
    for loop in {item.loop for item in batch}:
        pairs = [(item.future, result) for item, result in zip(batch, results, strict=True) if item.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            # The loop has ended, and with it everyone who waited.
            log.debug("no one is left to answer")


def _settle(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
