"""Which job works now: at most ``parallel`` at once, the others wait in the order in which they came."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from vision.settings.device import VISIBLE, shared_gpus, usable_cores


class Work(Protocol):
    """Something that runs once, and may be asked to stop while it waits or runs.

    ``kind`` and ``name`` are those of its resource, which no two works share. ``variables`` are those of its place,
    for its processes.
    """

    kind: str

    @property
    def name(self) -> str: ...

    def run(self, variables: Mapping[str, str]) -> None: ...

    def stop(self) -> None: ...


class Scheduler:
    """Runs each work in a thread of its own, which lives as long as the processes that it starts."""

    def __init__(self, parallel: int) -> None:
        self._free = _places(parallel)
        self._waiting: deque[Work] = deque()
        self._known: dict[tuple[str, str], Work] = {}
        self._lock = threading.Lock()

    def add(self, work: Work, *, needs_place: bool = True) -> None:
        """Run the work as soon as there is a place, or at once if it needs none, as one that only waits for others."""
        with self._lock:
            self._known[work.kind, work.name] = work
            if needs_place:
                self._waiting.append(work)
        if needs_place:
            self._start()
        else:
            self._run_in_thread(work, None)

    def stop(self, kind: str, name: str) -> None:
        """Ask a work to stop. One that waits needs no place to end."""
        with self._lock:
            work = self._known.get((kind, name))
            waits = work in self._waiting
            if waits:
                self._waiting.remove(work)  # type: ignore[arg-type]
        if work is not None:
            work.stop()
            if waits:
                self._run_in_thread(work, None)

    def stop_all(self) -> None:
        """Ask all works to stop, as when the server ends."""
        with self._lock:
            known = list(self._known)
        for kind, name in known:
            self.stop(kind, name)

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing works, at most that long."""
        until = time.monotonic() + timeout_s
        for thread in threading.enumerate():
            if thread.name.startswith("job "):
                thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        with self._lock:
            if not self._free or not self._waiting:
                return
            place = self._free.pop(0)
            work = self._waiting.popleft()
        self._run_in_thread(work, place)

    def _run_in_thread(self, work: Work, place: dict[str, str] | None) -> None:
        threading.Thread(target=self._run, args=(work, place), name=f"job {work.name}", daemon=True).start()

    def _run(self, work: Work, place: dict[str, str] | None) -> None:
        try:
            work.run(place or {})
        finally:
            with self._lock:
                self._known.pop((work.kind, work.name), None)
                if place is not None:
                    self._free.append(place)
            self._start()


def _places(count: int) -> list[dict[str, str]]:
    """Return the variables of each place, which divide the GPUs of this machine, or its cores if it has none."""
    gpus = shared_gpus("auto")
    if count == 1:
        return [{}]
    if gpus:
        return [{VISIBLE: ",".join(gpus[number::count] or [gpus[number % len(gpus)]])} for number in range(count)]
    if "OMP_NUM_THREADS" in os.environ:
        return [{} for _ in range(count)]
    return [{"OMP_NUM_THREADS": str(max(1, usable_cores() // count))} for _ in range(count)]
