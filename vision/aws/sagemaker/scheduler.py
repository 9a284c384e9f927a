"""Which job works now: at most ``parallel`` at once, the others wait in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol


class Work(Protocol):
    """Something that runs once, and may be asked to stop while it waits or runs.

    ``kind`` and ``name`` are those of its resource, which no two works share.
    """

    kind: str

    @property
    def name(self) -> str: ...

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Scheduler:
    """Runs each work in a thread of its own, which lives as long as the processes that it starts."""

    def __init__(self, parallel: int) -> None:
        self._free = parallel
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
            self._run_in_thread(work, False)

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
                self._run_in_thread(work, False)

    def stop_all(self) -> None:
        """Ask all works to stop, as when the server ends."""
        with self._lock:
            known = list(self._known)
        for kind, name in known:
            self.stop(kind, name)

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing works, at most that long."""
        for thread in threading.enumerate():
            if thread.name.startswith("job "):
                thread.join(timeout_s)

    def _start(self) -> None:
        with self._lock:
            if not self._free or not self._waiting:
                return
            self._free -= 1
            work = self._waiting.popleft()
        self._run_in_thread(work, True)

    def _run_in_thread(self, work: Work, has_place: bool) -> None:
        threading.Thread(target=self._run, args=(work, has_place), name=f"job {work.name}", daemon=True).start()

    def _run(self, work: Work, has_place: bool) -> None:
        try:
            work.run()
        finally:
            with self._lock:
                self._known.pop((work.kind, work.name), None)
                self._free += has_place
            self._start()
