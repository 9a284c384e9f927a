"""A file that is read for a long time and must not change meanwhile.

A mapped file that shrinks ends the process by SIGBUS without a word. Reads by position say how much they got, cost next
to nothing beside decoding, and go on where a file was removed or replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular


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
        """``count`` bytes from ``start``, which lie inside the file. Raises FileChangedError."""
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
        """``count`` bytes from each of ``starts``, fewer at the file's end."""
        descriptor, read = self._file.fileno(), os.pread
        try:
            found = [read(descriptor, count, start) for start in starts]
        except OSError as error:
            raise self._failed(error) from error
        self.check()
        return found

    def check(self) -> None:
        """Raise FileChangedError if the file has another size by now."""
        try:
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
