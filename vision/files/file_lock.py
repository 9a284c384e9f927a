"""Locks that the kernel holds for a process and drops when the process is gone, however it ended.

They are POSIX locks: unlike flock's they are not inherited by forked processes, so loader processes that outlive a
killed run for a moment keep nothing locked, and they work between machines on NFS. They do not keep threads of one
process apart.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vision.files.write_error import writing
from vision.settings.errors import UserError

LOCK = ".running"
_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
_LONGEST_NOTE = 1000


def try_lock(descriptor: int) -> bool:
    """Lock a file that is open for writing. False if another process has it; True on file systems without locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD_BY_ANOTHER
    return True


def open_locked(path: Path) -> int | None:
    """Return a descriptor of the file ``path``, made if missing and locked; None if another process has locked it.

    Who holds the lock may remove or rename the file. Raises OSError.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not try_lock(descriptor):
            os.close(descriptor)
            return None
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        # Its former holder removed or renamed it between our two steps.
        os.close(descriptor)


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock of the file ``path``, made if missing, after waiting for other processes. Raises WriteError."""
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # File systems without locks have no answer but an error.
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_folder(folder: Path, work: str, advice: str) -> Iterator[None]:
    """Keep other processes from doing ``work`` (such as "a run") in ``folder``, which must exist.

    Raises UserError naming the process that is at work there. A lock that a killed process left is taken over.
    """
    path = folder / LOCK
    with writing(path):
        descriptor = open_locked(path)
    if descriptor is None:
        raise UserError(f"{folder} is in use: {work} is at work there ({_holder(path)}); {advice}")
    try:
        with writing(path):
            note = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(note).encode(), 0)
        yield
    finally:
        # Before the lock is dropped, which closing does.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _holder(path: Path) -> str:
    """Return who says to hold the lock; the holder may not have written that yet."""
    try:
        with path.open("rb") as file:
            note = json.loads(file.read(_LONGEST_NOTE))
        return f"process {int(note['pid'])} on {note['host']!s:.100} since {note['since']!s:.30}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
