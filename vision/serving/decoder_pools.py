"""A worker's pools of decoding threads: for small images, for large ones, and for those that take long to decode."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vision.data.allocation import return_freed_memory
from vision.serving.settings import ServingSettings

R = TypeVar("R")

# An image of the most work that a thread takes is decoded in a second.
STUCK_S = 15.0
# Memory of large images is returned when none has arrived for this long; returning it between images costs time.
_KEEP_MEMORY_S = 1.0


class DecoderPool:
    """Threads that work in the order of arrival, and cannot be ended. ``is_large``: their images take much memory."""

    def __init__(self, name: str, count: int, *, is_large: bool = False) -> None:
        self._count = count
        self._is_large = is_large
        self._return_memory: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(count, name)
        # The time at which each thread began its present work.
        self._begun_s: dict[int, float] = {}

    async def run(self, work: Callable[[], R]) -> R:
        """Run ``work`` in a thread and return its result, or raise its exception."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._timed, work)
        finally:
            if self._return_memory is not None:
                self._return_memory.cancel()
            if self._is_large:
                self._return_memory = loop.call_later(
                    _KEEP_MEMORY_S, loop.run_in_executor, self._threads, return_freed_memory
                )

    def _timed(self, work: Callable[[], R]) -> R:
        thread = threading.get_ident()
        self._begun_s[thread] = time.monotonic()
        try:
            return work()
        finally:
            del self._begun_s[thread]

    @property
    def is_stuck(self) -> bool:
        """Return whether every thread has been busy for longer than any image can take."""
        begun_s = list(self._begun_s.values())
        return len(begun_s) >= self._count and time.monotonic() - max(begun_s) > STUCK_S


class DecoderPools:
    """The threads of ``small`` and ``large`` decode; those of ``heavy`` wait for processes, which can be killed.

    No pool waits for another, so a request of many large images keeps no small one waiting.
    """

    def __init__(self, settings: ServingSettings) -> None:
        count = settings.decoder_count()
        self.small, self.large = DecoderPool("decoder", count), DecoderPool("large-decoder", count, is_large=True)
        self.heavy = DecoderPool("heavy-decoder", max(1, count // 2), is_large=True)
        # Images of one request in the pools at once; those of other requests come in between.
        self.most_of_request = 2 * count

    @property
    def are_stuck(self) -> bool:
        """Return whether images can no longer be decoded, small or large."""
        return self.small.is_stuck or self.large.is_stuck
