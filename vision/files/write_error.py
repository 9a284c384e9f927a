"""Says in a sentence why a file cannot be written, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.settings.errors import UserError

_LONGEST_SHOWN = 200
_OTHER_PLACE = "give another place"
# What each errno means here, and the remedy.
_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", f"free some space, or {_OTHER_PLACE}"),
    errno.EDQUOT: ("the disk quota is used up", f"free some space, or {_OTHER_PLACE}"),
    errno.EFBIG: ("it would be larger than files may be", f"raise the limit (ulimit -f), or {_OTHER_PLACE}"),
    errno.EROFS: ("the file system is read-only", _OTHER_PLACE),
    errno.EACCES: ("permission is denied", f"allow this user to write there, or {_OTHER_PLACE}"),
    errno.EPERM: ("it is not permitted", f"allow this user to write there, or {_OTHER_PLACE}"),
    errno.ENOENT: ("its folder does not exist, or was removed meanwhile", f"make the folder, or {_OTHER_PLACE}"),
    errno.ENOTDIR: ("a file stands where a folder is needed", _OTHER_PLACE),
    errno.EEXIST: ("a file stands where a folder is needed", _OTHER_PLACE),
    errno.EISDIR: ("it is a folder", "give the name of a file"),
    errno.ENAMETOOLONG: ("the path, or a name in it, is too long", "give a shorter one"),
    errno.ELOOP: ("its links lead in a circle", _OTHER_PLACE),
    errno.EMFILE: ("this process has too many open files", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("the machine has too many open files", "end other programs"),
    errno.EIO: ("the disk or its connection fails", f"look at the machine's log, or {_OTHER_PLACE}"),
    errno.ESTALE: ("the network drive lost it", f"mount the drive again, or {_OTHER_PLACE}"),
    errno.ENODEV: ("the drive is gone", f"mount it again, or {_OTHER_PLACE}"),
    errno.ENXIO: ("the drive is gone", f"mount it again, or {_OTHER_PLACE}"),
    errno.ENOTCONN: ("the network drive is gone", f"mount it again, or {_OTHER_PLACE}"),
    errno.ETXTBSY: ("it is being run", _OTHER_PLACE),
}


class WriteError(UserError):
    """A file or folder that cannot be written. ``errno`` is the system's number, None if it gave none."""

    def __init__(self, path: str | os.PathLike[str], error: OSError) -> None:
        self.errno = error.errno
        reason, remedy = _REASONS.get(error.errno or 0, (error.strerror or str(error), _OTHER_PLACE))
        super().__init__(f"{shown_path(path)} cannot be written, since {reason}: {remedy}")


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return the path for a message, shortened in its middle where nobody would read it all."""
    text = str(path)
    half = _LONGEST_SHOWN // 2
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:half]}...{text[-half:]}"


def machine_trouble(error: OSError) -> str | None:
    """Return a sentence for an error of the machine, which is not a defect of this program; None for others."""
    if error.errno not in _REASONS:
        return None
    reason, remedy = _REASONS[error.errno]
    if error.filename is None:
        return f"a file cannot be written, since {reason}: {remedy}"
    return f"{shown_path(os.fsdecode(error.filename))} cannot be used, since {reason}: {remedy}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise WriteError, naming ``path``, in place of an error of the system in the block."""
    try:
        yield
    except OSError as error:
        raise WriteError(error.filename if error.filename is not None else path, error) from error


def make_below(root: Path, folder: Path) -> None:
    """Make the folders between ``root`` and ``folder``, but never ``root``: with it what was written there is gone.

    Raises OSError.
    """
    if folder != root and not folder.is_dir():
        make_below(root, folder.parent)
        folder.mkdir(exist_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing. Raises WriteError."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
