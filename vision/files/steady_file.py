"""A file that is read for a long time and must not change meanwhile.

A mapped file that shrinks ends the process by SIGBUS without a word. Reads by position say how much they got, cost next
to nothing beside decoding, and go on where a file was removed or replaced. Where only a map is
fast enough, a lease of the kernel makes writers wait until this process was told.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular

# A lease's end is told by a signal, by default one that ends a process without a handler; this one does nothing.
_SILENT = signal.SIGURG


class FileChangedError(UserError):
    """A file shrank, or grew, or fails while it is in use. No reason to go on with the next record."""


class SteadyFile:
    """The bytes of a file of a fixed size; ``name`` stands for it in messages.

    Slices as bytes do. Safe for threads and forks; a process that gets it by pickle opens the file again, and refuses
    it where its size is another.
    """

    def __init__(self, path: Path, name: str, size_bytes: int | None = None) -> None:
        self.path = path
        self.name = name
        self._is_leased = False
        try:
            self._file = open_regular(path)
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as problem:
            raise DataError(name, f"cannot be read ({problem.strerror}); expected a file at {path}") from None
        if size_bytes not in (None, self._size):
            raise self._changed(size_bytes or 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return SteadyFile, (self.path, self.name, self._size)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, step = part.indices(self._size)
        assert step == 1
        return self.read(start, max(0, stop - start))

    def read(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes from ``start``, which lie inside the file. Raises FileChangedError."""
        try:
            found = os.pread(self._file.fileno(), count, start)
            while len(found) < count:
                # The kernel gives at most 2 GiB at a time.
                more = os.pread(self._file.fileno(), count - len(found), start + len(found))
                if not more:
                    raise self._changed(self._size)
                found += more
        except OSError as error:
            raise self._failed(error) from error
        return found

    def read_many(self, starts: Iterable[int], count: int) -> list[bytes]:
        """Return ``count`` bytes from each of ``starts``, fewer at the file's end."""
        descriptor, read = self._file.fileno(), os.pread
        try:
            found = [read(descriptor, count, start) for start in starts]
        except OSError as error:
            raise self._failed(error) from error
        self.check()
        return found

    def map(self, count: int) -> mmap.mmap:
        """Return the first ``count`` bytes, mapped; ``check`` must come before each use of them.

        The kernel lets others write to the file no sooner than 45 s after they ask, which ``check`` sees. It cannot on
        some network drives, and for files that belong to others; ``check`` then sees a change only after it.
        """
        if hasattr(fcntl, "F_SETLEASE"):
            with suppress(OSError):
                fcntl.fcntl(self._file, fcntl.F_SETSIG, _SILENT)
                fcntl.fcntl(self._file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                self._is_leased = True
        self.check()
        return mmap.mmap(self._file.fileno(), count, access=mmap.ACCESS_READ)

    def check(self) -> None:
        """Raise FileChangedError if the file has another size by now, or somebody waits to write to it."""
        try:
            if self._is_leased and fcntl.fcntl(self._file, fcntl.F_GETLEASE) == fcntl.F_UNLCK:
                raise FileChangedError(
                    f"{self.name} was about to be changed by another process, but must not while it is in use: keep "
                    f"others from writing to {self.path}, then start again (a run goes on with run.resume=true)"
                )
            now = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self._failed(error) from error
        if now != self._size:
            raise self._changed(self._size)

    def _changed(self, size_bytes: int) -> FileChangedError:
        now = os.fstat(self._file.fileno()).st_size
        return FileChangedError(
            f"{self.name} had {size_bytes} bytes when it was opened and has {now} now; it must not change while it is "
            f"in use: put the whole file back at {self.path}, then start again (a run goes on with run.resume=true)"
        )

    def _failed(self, error: OSError) -> FileChangedError:
        return FileChangedError(
            f"{self.name} can no longer be read ({error.strerror}): look after the disk or network drive of "
            f"{self.path}, then start again (a run goes on with run.resume=true)"
        )
