"""The cores that the networks of a process share: never more threads work than there are cores.

Threads that work on one image wait for each other at every layer, threads that work on an image each do not. So a
lone image gets all cores, and where many wait each core gets a batch of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Share:
    """``cores`` to work with, and how many ``images`` to take."""

    cores: int
    images: int


class Cores:
    """A GPU counts as a single core: its models take turns."""

    def __init__(self, count: int) -> None:
        assert count >= 1
        self.count = count
        self._free = count
        self._changed = threading.Condition()

    @contextmanager
    def use(self, waiting: Callable[[], int] = lambda: 1) -> Iterator[Share]:
        """Wait for a free core, then hold what belongs to a batch when so many images are ``waiting``."""
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
    """What the next batch gets, so that the images that are left find as much for each of theirs."""
    if images < free:
        return Share(cores=free // max(1, images), images=1)
    return Share(cores=1, images=-(-images // free))


def use_cores(count: int) -> None:
    """Let this thread's networks work on so many cores. Other threads keep theirs."""
    # Asked first: a thread that has not begun yet would start with what another has set last.
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
