"""Of the time that the host waited for images, the part in which the GPU stood idle; without waiting for the GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import torch


class Event(Protocol):
    """A mark in the stream of the device's work, as torch.cuda.Event."""

    def record(self) -> None:
        """Put the mark behind all that the device has been given so far."""

    def query(self) -> bool:
        """Whether the device has come to it."""

    def elapsed_time(self, later: Self, /) -> float:
        """Milliseconds from here to a later mark, both of which have been reached."""


class _Gap(NamedTuple):
    ended: Event
    began: Event
    host_wait_s: float


class DeviceGaps:
    """The host runs ahead of the device, so its waiting costs nothing while the device has work left.

    A step's idle time is the device's, from the end of the step before, but no more than the host waited for images.
    """

    def __init__(self, make_event: Callable[[], Event]) -> None:
        self._make_event = make_event
        self._gaps: deque[_Gap] = deque()
        self._last_end: Event | None = None
        self._idle_s = 0.0

    def start(self) -> None:
        """An epoch begins, with an idle device."""
        self._gaps.clear()
        self._last_end = None
        self._idle_s = 0.0

    def batch_ready(self, host_wait_s: float) -> None:
        """A step begins, for whose images the host waited so long."""
        if self._last_end is None:
            self._idle_s += host_wait_s
        else:
            self._gaps.append(_Gap(self._last_end, self._marked(), host_wait_s))

    def batch_done(self) -> None:
        """The device has been given all of a step."""
        self._last_end = self._marked()
        self.idle_seconds()

    def idle_seconds(self) -> float:
        """Since ``start``, as far as the device has come."""
        while self._gaps and self._gaps[0].began.query():
            gap = self._gaps.popleft()
            self._idle_s += min(gap.host_wait_s, gap.ended.elapsed_time(gap.began) / 1e3)
        return self._idle_s

    def _marked(self) -> Event:
        event = self._make_event()
        event.record()
        return event


def gaps_of(device: torch.device) -> DeviceGaps | None:
    """None for a CPU, on which the host waits for every step anyway."""
    return DeviceGaps(lambda: torch.cuda.Event(enable_timing=True)) if device.type == "cuda" else None
