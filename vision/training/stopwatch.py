"""Measures how fast an epoch goes and how long it waits for images, without waiting for the device."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch


@dataclass(frozen=True)
class Times:
    """A stretch of training: its seconds, those spent waiting for the loader, and its images."""

    seconds: float = 0.0
    wait_seconds: float = 0.0
    images: int = 0

    @property
    def images_per_second(self) -> float:
        """Images per second; 0 when no time has passed."""
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


class Event(Protocol):
    """A mark in the stream of the device's work, as torch.cuda.Event."""

    def record(self) -> None:
        """Put the mark behind all work that the device has been given so far."""

    def query(self) -> bool:
        """Return whether the device has reached the mark."""

    def elapsed_time(self, later: Self, /) -> float:
        """Return the milliseconds from here to a later mark; the device has reached both."""


class _Gap(NamedTuple):
    ended: Event
    began: Event
    host_wait_s: float


class DeviceGaps:
    """The time in which the device had nothing to do while the host waited for images.

    The host runs ahead of the device, so its waiting costs nothing while the device has work left.
    A step's idle time is the device's, from the end of the step before, but no more than the host waited for images.
    """

    def __init__(self, make_event: Callable[[], Event]) -> None:
        self._make_event = make_event
        self._gaps: deque[_Gap] = deque()
        self._last_end: Event | None = None
        self._idle_s = 0.0

    def start(self) -> None:
        """Begin an epoch, with an idle device."""
        self._gaps.clear()
        self._last_end = None
        self._idle_s = 0.0

    def batch_ready(self, host_wait_s: float) -> None:
        """Begin a step, for whose images the host waited ``host_wait_s``."""
        if self._last_end is None:
            self._idle_s += host_wait_s
        else:
            self._gaps.append(_Gap(self._last_end, self._marked(), host_wait_s))

    def batch_done(self) -> None:
        """End a step: the device has been given all of its work."""
        self._last_end = self._marked()
        self.idle_seconds()

    def idle_seconds(self) -> float:
        """Return the idle seconds since ``start``, as far as the device has come."""
        while self._gaps and self._gaps[0].began.query():
            gap = self._gaps.popleft()
            self._idle_s += min(gap.host_wait_s, gap.ended.elapsed_time(gap.began) / 1e3)
        return self._idle_s

    def _marked(self) -> Event:
        event = self._make_event()
        event.record()
        return event


def gaps_of(device: torch.device) -> DeviceGaps | None:
    """Return the gaps of a GPU; None for a CPU, on which the host waits for every step anyway."""
    return DeviceGaps(lambda: torch.cuda.Event(enable_timing=True)) if device.type == "cuda" else None


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
        """Begin an epoch: everything counts from here."""
        self._began = self._last = self._clock()
        self._waited = 0.0
        self._images = 0
        self._lap = Times()
        if self._gaps is not None:
            self._gaps.start()

    def batch_ready(self) -> None:
        """Note that the loader has handed over a batch."""
        now = self._clock()
        if self._gaps is None:
            self._waited += now - self._last
        else:
            self._gaps.batch_ready(now - self._last)
        self._last = now

    def batch_done(self, images: int) -> None:
        """Note that the step on that batch of ``images`` is over for the host."""
        if self._gaps is not None:
            self._gaps.batch_done()
        self._last = self._clock()
        self._images += images

    def stop(self) -> Times:
        """End the epoch's training, on the device too; later readings stay as they are now."""
        self._last = self._clock()
        return self.times()

    def times(self) -> Times:
        """Return the times from ``start`` to the last event."""
        waited = self._waited if self._gaps is None else self._gaps.idle_seconds()
        return Times(self._last - self._began, waited, self._images)

    def lap(self) -> Times:
        """Return the times from the previous ``lap`` (or ``start``) to the last event."""
        times = self.times()
        lap = times - self._lap
        self._lap = times
        return lap
