"""Processes that do the work of jobs and endpoints, and never outlive the server, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

# PR_SET_PDEATHSIG is 1. It is set in a small program that becomes the other one: setting it between fork and exec of
# a process with threads could hang. The signal comes when the thread that started the child ends.
_BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the server has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
GRACE_S = 120.0


def start_child(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start ``python -m module`` in a process group of its own. Its output, of both kinds, is text to read.

    The thread that calls must live as long as the child.
    """
    command = [sys.executable, "-I", "-c", _BOUND, str(os.getpid()), sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def end_child(child: subprocess.Popen[str], grace_s: float = GRACE_S) -> None:
    """End a child: SIGTERM, and SIGKILL to its whole group if it takes longer than ``grace_s``."""
    child.terminate()
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill_group(child)


def ask_to_end(child: subprocess.Popen[str] | None) -> None:
    """Send SIGTERM to a child that runs, and kill its group if it takes too long; do not wait."""
    if child is not None and child.poll() is None:
        child.terminate()
        killer = threading.Timer(GRACE_S, kill_group, [child])
        killer.daemon = True
        killer.start()


def kill_group(child: subprocess.Popen[str]) -> None:
    """Kill a child and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
