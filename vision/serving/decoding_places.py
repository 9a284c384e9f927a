"""The threads of a worker that decode, apart for usual images and for those that make much work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from vision.serving.settings import ServingSettings

# An image of the most work that a thread takes is decoded in a second.
STUCK_S = 15.0


class DecodingPlaces:
    """``usual`` decodes in its threads, which cannot be ended; ``heavy`` waits for processes, which can."""

    def __init__(self, settings: ServingSettings) -> None:
        self.count = settings.decoder_count()
        self.usual = ThreadPoolExecutor(self.count, "decoder")
        self.heavy = ThreadPoolExecutor(max(1, self.count // 2), "heavy-decoder")
        # By thread, when its image was begun.
        self._begun_s: dict[int, float] = {}

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While a thread of ``usual`` decodes."""
        thread = threading.get_ident()
        self._begun_s[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._begun_s[thread]

    @property
    def are_stuck(self) -> bool:
        """Whether every thread is held by an image for so long that no answer can be given."""
        begun_s = list(self._begun_s.values())
        return len(begun_s) >= self.count and time.monotonic() - max(begun_s) > STUCK_S
