"""The contestant's side of the pipe. Of the standard library alone, because every environment imports it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


class Pipe:
    """Asked for so many batches, a contestant makes them and answers with the seconds that it took.

    What it and its libraries print goes to stderr.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self.job: dict[str, Any] = json.loads(sys.argv[1])
        self.is_ready = False
        self._began = 0.0

    def ready(self, **versions: str) -> None:
        """Everything is loaded; ``versions`` of what does the work."""
        self.is_ready = True
        self._answers.write(json.dumps({"versions": versions}) + "\n")

    def wait(self) -> int:
        """How many batches are wanted next, 0 when no more are; the clock runs from here."""
        batches = int(sys.stdin.readline() or 0)
        self._began = time.perf_counter()
        return batches

    def done(self) -> None:
        """The batches are made."""
        self._answers.write(json.dumps({"seconds": time.perf_counter() - self._began}) + "\n")


def answer(pipe: Pipe, make_batch: Callable[[], Any], finish: Callable[[], Any] = lambda: None) -> None:
    """Make one batch after another as they are asked for; ``finish`` waits for what goes on behind our back."""
    while batches := pipe.wait():
        for _ in range(batches):
            make_batch()
        finish()
        pipe.done()
