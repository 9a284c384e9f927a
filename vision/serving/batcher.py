"""Collects the images of many requests into batches, and shares the cores among the threads that run the network.

An image waits only while others are being received or decoded, and at most ``max_wait_s``: a single client never waits.
While the network works on all cores, the next batches fill up by themselves.

Threads that work on one image together wait for each other at every layer; threads that each work on an image of their
own do not. So a single image gets all cores, and when many wait, each core gets a batch of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from vision.api.model import PreparedImage

log = logging.getLogger(__name__)

# This many failures in a row are not the fault of the images.
_MOST_FAILURES = 16

Predict = Callable[[list[PreparedImage], int], list[object]]
"""(images of one network's size, cores to use) -> one prediction each."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    image: PreparedImage
    future: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    arrived_s: float


@dataclass(frozen=True)
class Share:
    """The share of one batch: ``cores`` to work with, and how many ``images`` to take."""

    cores: int
    images: int


class Cores:
    """The cores of a process, which its networks share: never more threads work than there are cores.

    A GPU counts as a single core, since its models take turns.
    """

    def __init__(self, count: int) -> None:
        assert count >= 1
        self.count = count
        self._free = count
        self._changed = threading.Condition()

    @contextmanager
    def use(self, waiting: Callable[[], int] = lambda: 1) -> Iterator[Share]:
        """Wait for a free core, then hold the share of a batch, given the number of images that are ``waiting``."""
        with self._changed:
            while not self._free:
                self._changed.wait()
            share = share_of(waiting(), self._free)
            self._free -= share.cores
        try:
            yield share
        finally:
            with self._changed:
                self._free += share.cores
                self._changed.notify_all()


def share_of(images: int, free: int) -> Share:
    """Return the share of the next batch; images that stay behind find as many cores each."""
    if images < free:
        return Share(cores=free // max(1, images), images=1)
    return Share(cores=1, images=-(-images // free))


def use_cores(count: int) -> None:
    """Let this thread's networks work on ``count`` cores. Other threads keep theirs."""
    # Checked first: setting the number in one thread changes what new threads start with.
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


class Batcher:
    """Runs ``predict`` on as many threads as there are ``cores``, which it may share with other batchers.

    ``begin`` is called first, by the first of these threads, and what it raises is raised by the constructor: what a
    GPU's libraries keep for later, such as plans of convolutions and working memory, they keep for one thread.
    ``observe(images, seconds)`` is called after each batch.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        max_batch: int,
        max_wait_s: float,
        cores: Cores | None = None,
        begin: Callable[[], None] = lambda: None,
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self._predict = predict
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._cores = cores or Cores(1)
        self._observe = observe
        lock = threading.Lock()
        self._arrived, self._gathered = threading.Condition(lock), threading.Condition(lock)
        self._waiting: deque[_Waiting] = deque()
        self._expected = 0
        self._is_closed = False
        self._failures = 0
        begun: Future[None] = Future()
        first = threading.Thread(target=self._begin, args=(begin, begun), name="batcher", daemon=True)
        first.start()
        begun.result()
        others = [threading.Thread(target=self._run, name="batcher", daemon=True) for _ in range(self._cores.count - 1)]
        for thread in others:
            thread.start()
        self._threads = [first, *others]

    def __len__(self) -> int:
        """Return the number of images that wait for a batch."""
        return len(self._waiting)

    @property
    def is_healthy(self) -> bool:
        """Return False if the last predictions have all failed, as they do on a broken GPU."""
        return all(thread.is_alive() for thread in self._threads) and self._failures < _MOST_FAILURES

    def expect(self, change: int) -> None:
        """Count images on their way: +1 when one is announced, -1 when it has arrived or will not arrive."""
        with self._gathered:
            self._expected += change
            if self._expected <= 0:
                self._gathered.notify_all()

    def submit(self, image: PreparedImage) -> asyncio.Future[object]:
        """Queue an image and return a future of its prediction, or of the exception that ``predict`` raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        with self._arrived:
            if self._is_closed:
                raise RuntimeError("the model has been unloaded")
            self._waiting.append(_Waiting(image, future, loop, time.monotonic()))
            self._arrived.notify()
            if len(self._waiting) >= self._max_batch:
                self._gathered.notify_all()
        return future

    def close(self) -> None:
        """Answer all waiting images, then end the threads."""
        with self._arrived:
            self._is_closed = True
            self._arrived.notify_all()
            self._gathered.notify_all()
        for thread in self._threads:
            thread.join()

    def _begin(self, begin: Callable[[], None], begun: Future[None]) -> None:
        try:
            begin()
        except BaseException as error:
            begun.set_exception(error)
            return
        begun.set_result(None)
        self._run()

    def _run(self) -> None:
        while self._gather():
            with self._cores.use(self.__len__) as share:
                batch = self._take(share.images)
                if not batch:
                    # Another thread was faster.
                    continue
                started = time.monotonic()
                results = self._predict_each(batch, share.cores)
                self._observe(len(batch), time.monotonic() - started)
            _deliver(batch, results)

    def _gather(self) -> bool:
        """Wait for images, and for others on their way. Return False once the batcher is closed and its queue empty."""
        with self._arrived:
            while not self._waiting and not self._is_closed:
                self._arrived.wait()
            if not self._waiting:
                return False
            deadline_s = self._waiting[0].arrived_s + self._max_wait_s
            while 0 < len(self._waiting) < self._max_batch and self._expected > 0 and not self._is_closed:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    break
                self._gathered.wait(left_s)
            return True

    def _take(self, most: int) -> list[_Waiting]:
        """Return the next batch, without images whose requests have timed out."""
        with self._arrived:
            count = batch_size(min(most, len(self._waiting)), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(count)]
            if self._waiting:
                self._arrived.notify()
        return [item for item in batch if not item.future.done()]

    def _predict_each(self, batch: list[_Waiting], cores: int) -> list[object]:
        """Return a prediction or an exception for each image; if the batch fails, each image is tried alone."""
        try:
            results = self._predict([item.image for item in batch], cores)
            self._failures = 0
            return results
        except Exception as error:
            if len(batch) == 1:
                self._failures += 1
                return [error]
            log.exception("a batch of %d images failed; each is tried alone", len(batch))
        return [result for item in batch for result in self._predict_each([item], cores)]


def batch_size(waiting: int, max_batch: int) -> int:
    """Return how many of the waiting images to take: ``max_batch``, or the largest power of two not above ``waiting``.

    A network needs extra time for every batch size that it has not seen, often more than for the batch itself.
    """
    return max_batch if waiting >= max_batch else 1 << waiting.bit_length() >> 1


def _deliver(batch: list[_Waiting], results: list[object]) -> None:
    """Pass the results to the event loops, waking each loop once."""
    assert len(batch) == len(results)
    for loop in {item.loop for item in batch}:
        pairs = [(item.future, result) for item, result in zip(batch, results, strict=True) if item.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            # The loop has ended, and the requests with it.
            log.debug("the event loop has ended; nothing is left to answer")


def _settle(pairs: list[tuple[asyncio.Future[object], object]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
