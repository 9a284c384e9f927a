"""Ports for a server that a test starts a while after it has chosen the port."""

from __future__ import annotations

import os
import socket
from itertools import count

# Outgoing connections and servers at port 0 are given ports from 32768 (Linux) or 49152 upwards: one that was free
# there a moment ago may be gone when the server comes. Below, only those that ask for a port by its number get it.
_FIRST, _LAST = 20_000, 32_000
_calls = count()


def free_port(following: int = 0) -> int:
    """Return a port of this machine that nobody listens at, nor at the ports that follow it."""
    width = following + 1
    # Processes that run tests side by side, and calls of one process, look at different places first.
    start = (os.getpid() * 64 + next(_calls) * width) % (_LAST - _FIRST)
    for offset in range(0, _LAST - _FIRST, width):
        port = _FIRST + (start + offset) % (_LAST - _FIRST)
        if all(_is_free(port + next_one) for next_one in range(width)):
            return port
    raise AssertionError(f"no free port from {_FIRST} to {_LAST}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True
