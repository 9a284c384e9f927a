"""Shares a process's cores among its networks, so that never more threads work than there are cores.

Threads that work on one image wait for each other at every layer; threads that work on an image each do not. So a
single image gets all cores, and when many wait each core gets a batch of its own.
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
        """Wait for a free core, then hold the share of a batch, given the number of images that are ``waiting``."""
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
    """Return the share of the next batch; images that stay behind find as many cores each."""
    if images < free:
        return Share(cores=free // max(1, images), images=1)
    return Share(cores=1, images=-(-images // free))


def use_cores(count: int) -> None:
    """Let this thread's networks work on ``count`` cores. Other threads keep theirs."""
    # Asked first: a new thread would start with the number that another one has set last.
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
