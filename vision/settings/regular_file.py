"""Opening files that a user, a folder or an archive names: never a pipe, whose writer may not come, nor a device."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import TextIO

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file to read, in binary. Raises OSError, also if ``path`` is not a regular file."""
    # Opening a device may have effects, and opening a pipe without a writer blocks.
    _check(path, os.stat(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_regular_text(path: str | Path, newline: str | None = None) -> TextIO:
    """Open a regular file to read as UTF-8 text, with or without a byte order mark. Raises OSError."""
    return io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline=newline)


def irregular_kind(path: str | Path) -> str | None:
    """Return what a path is if not a regular file: "a named pipe" or "a link to nothing", say; None for a file."""
    try:
        return _kind(os.stat(path))
    except FileNotFoundError:
        return "a link to nothing" if os.path.islink(path) else "no longer there"
    except OSError as error:
        return f"not to be looked at ({error.strerror})"


def _kind(status: os.stat_result) -> str | None:
    kind = stat.S_IFMT(status.st_mode)
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "of an unknown kind")


def _check(path: str | Path, status: os.stat_result) -> None:
    kind = _kind(status)
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
