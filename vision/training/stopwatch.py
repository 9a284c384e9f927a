"""How fast an epoch goes and how much of it is spent waiting for images, without asking the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vision.training.device_gaps import DeviceGaps


@dataclass(frozen=True)
class Times:
    """A stretch of training: its length, how much of that was waiting for the loader, its images."""

    seconds: float = 0.0
    wait_seconds: float = 0.0
    images: int = 0

    @property
    def images_per_second(self) -> float:
        """0 when no time has passed."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    @property
    def data_wait_share(self) -> float:
        """Share of the time spent waiting for the loader, 0..1."""
        return self.wait_seconds / self.seconds if self.seconds > 0 else 0.0

    def __sub__(self, earlier: Times) -> Times:
        return Times(
            self.seconds - earlier.seconds,
            self.wait_seconds - earlier.wait_seconds,
            self.images - earlier.images,
        )


class Stopwatch:
    """Measures an epoch: ``start``, then ``batch_ready`` and ``batch_done`` in turn, then ``stop``.

    The time from ``start`` or ``batch_done`` to ``batch_ready`` counts as waiting. A GPU works behind the
    host's back: with ``gaps`` only that part counts in which it had run out of work.
    The times of a whole epoch are right if the caller reads a result from the device before ``stop``.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter, gaps: DeviceGaps | None = None) -> None:
        self._clock = clock
        self._gaps = gaps
        self._began = self._last = 0.0
        self._waited = 0.0
        self._images = 0
        self._lap = Times()

    def start(self) -> None:
        """An epoch begins: everything counts from here."""
        self._began = self._last = self._clock()
        self._waited = 0.0
        self._images = 0
        self._lap = Times()
        if self._gaps is not None:
            self._gaps.start()

    def batch_ready(self) -> None:
        """The loader has handed over a batch."""
        now = self._clock()
        if self._gaps is None:
            self._waited += now - self._last
        else:
            self._gaps.batch_ready(now - self._last)
        self._last = now

    def batch_done(self, images: int) -> None:
        """The step on that batch, of so many images, is over for the host."""
        if self._gaps is not None:
            self._gaps.batch_done()
        self._last = self._clock()
        self._images += images

    def stop(self) -> Times:
        """The epoch's training is over, on the device too; later readings stay as they are now."""
        self._last = self._clock()
        return self.times()

    def times(self) -> Times:
        """From ``start`` to the last event."""
        waited = self._waited if self._gaps is None else self._gaps.idle_seconds()
        return Times(self._last - self._began, waited, self._images)

    def lap(self) -> Times:
        """From the previous ``lap`` (or ``start``) to the last event."""
        times = self.times()
        lap = times - self._lap
        self._lap = times
        return lap
