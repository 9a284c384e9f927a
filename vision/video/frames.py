"""The frames of a video that are looked at: some a second by their own times, or the newest of a live stream."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from vision.settings.counted import counted
from vision.settings.errors import DataError
from vision.video.capture import Capture

# Of the frames that a container announces, the share below which the file counts as cut off.
_WHOLE = 0.95
_POLL_S = 0.1
_NEARLY = 1e-6


@dataclass(frozen=True, eq=False)
class Frame:
    """``number`` of the frame in its video, from 0, its time since the first one, and ``bgr`` uint8 [H, W, 3]."""

    number: int
    seconds: float
    bgr: np.ndarray


@dataclass(frozen=True)
class Limits:
    """``per_second``: frames looked at; None: all. ``seconds`` and ``frames``: after which the video is left."""

    per_second: float | None = None
    seconds: float | None = None
    frames: int | None = None


class Sampling:
    """Which frames are looked at, by their times: the first of each interval of 1 / ``per_second``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._next_tick = 0
        self._taken = 0

    def is_over(self, seconds: float) -> bool:
        """Return whether a limit is reached at that time."""
        limits = self._limits
        return (limits.seconds is not None and seconds >= limits.seconds) or self._taken == limits.frames

    def takes(self, seconds: float) -> bool:
        """Return whether the frame of that time is looked at, which is noted."""
        if self._limits.per_second is not None:
            tick = math.floor(seconds * self._limits.per_second + _NEARLY)
            if tick < self._next_tick:
                return False
            self._next_tick = tick + 1
        self._taken += 1
        return True


class FrameClock:
    """Times of frames, which go forward whatever a file says. ``repaired``: how many of them were no use."""

    def __init__(self, frame_rate: float) -> None:
        self._step = 1 / frame_rate
        self._first: float | None = None
        self._last = 0.0
        self.repaired = 0

    def seconds(self, timestamp_s: float) -> float:
        """Return the time since the first frame. One that does not go forward follows at the video's frame rate."""
        if self._first is None:
            self._first = timestamp_s if math.isfinite(timestamp_s) else 0.0
            return 0.0
        since = timestamp_s - self._first
        if not (math.isfinite(since) and since > self._last):
            self.repaired += 1
            since = self._last + self._step
        self._last = since
        return since


@dataclass
class StoredFrames:
    """Iterates over the frames of a file that are looked at; ``remarks`` say afterwards what was wrong with it.

    ``stop`` ends the iteration.
    """

    capture: Capture
    limits: Limits
    remarks: list[str] = field(default_factory=list)
    dropped: int = 0
    _is_over: bool = False

    def stop(self) -> None:
        """End the iteration before the next frame."""
        self._is_over = True

    def __iter__(self) -> Iterator[Frame]:
        sampling, clock = Sampling(self.limits), FrameClock(self.capture.frame_rate)
        number, ended = 0, False
        while not self._is_over:
            if ended := not self.capture.grab():
                break
            seconds = clock.seconds(self.capture.timestamp_s)
            if sampling.is_over(seconds):
                break
            number += 1
            if sampling.takes(seconds) and (bgr := self.capture.retrieve()) is not None:
                yield Frame(number - 1, seconds, bgr)
        name, announced = self.capture.source.name, self.capture.num_frames
        if ended and number == 0:
            raise DataError(name, "has no frame that can be decoded" + self._remedy())
        if ended and number < _WHOLE * announced:
            self.remarks.append(f"{name} ends after {number:,} of {counted(announced, 'frame')}: it is cut or damaged")
        if clock.repaired:
            self.remarks.append(
                f"{name} has {counted(clock.repaired, 'frame')} without a time of their own, which follow at "
                f"{self.capture.frame_rate:g} a second"
            )

    def _remedy(self) -> str:
        if self.capture.source.url is None:
            return ""
        # The index of most MP4 files is at their end: after it, the server has to go back to the frames.
        return "; if its server cannot send parts of files, download it first"


class LiveFrames:
    """Iterates over a live stream, read as it comes: always the newest frame that is looked at.

    Those that came meanwhile are lost: ``dropped`` counts them. Times are this machine's. ``stop`` ends the iteration.
    """

    def __init__(self, capture: Capture, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self.capture = capture
        self.limits = limits
        self.remarks: list[str] = []
        self.dropped = 0
        self._now = now
        self._newest: Frame | None = None
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._read, name="live frames", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        taken = 0
        try:
            while taken != self.limits.frames and (frame := self._take()) is not None:
                taken += 1
                yield frame
        finally:
            self.stop()
            # The capture may be closed only when nothing reads it.
            self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the reading after the frame that is on its way."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _take(self) -> Frame | None:
        with self._changed:
            while self._newest is None and not self._is_over:
                # With a limit, so that an interrupt by the keyboard is seen.
                self._changed.wait(_POLL_S)
            frame, self._newest = self._newest, None
            return frame

    def _read(self) -> None:
        try:
            self._read_frames()
        except Exception as error:
            self._error = error
        finally:
            self.stop()

    def _read_frames(self) -> None:
        # Frames that are dropped do not count towards their limit.
        sampling, number, first = Sampling(replace(self.limits, frames=None)), 0, None
        while not self._is_over:
            if not self.capture.grab():
                self.remarks.append(f"{self.capture.source.name} ended, or was silent for too long")
                return
            now = self._now()
            first = now if first is None else first
            if sampling.is_over(now - first):
                return
            if sampling.takes(now - first) and (bgr := self.capture.retrieve()) is not None:
                with self._changed:
                    self.dropped += self._newest is not None
                    self._newest = Frame(number, now - first, bgr)
                    self._changed.notify_all()
            number += 1


def open_frames(capture: Capture, limits: Limits) -> StoredFrames | LiveFrames:
    """Return the frames of a source that are looked at."""
    return LiveFrames(capture, limits) if capture.is_live else StoredFrames(capture, limits)
