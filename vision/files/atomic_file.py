"""Files that are written whole or not at all: the one place that writes beside a name, then renames."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

from vision.files.file_lock import open_locked
from vision.files.write_error import WriteError, make_folder
from vision.settings.errors import UserError
from vision.settings.nearest import shown

PART_SUFFIX = ".part"
_LONGEST_NAME_BYTES = 255


class AtomicFile:
    """A file to write; ``close`` puts it in the place of ``path`` in one step, on disk too.

    After an error, a kill or a power cut at any moment ``path`` is what it was before, or whole and new. The bytes
    gather in ``.<name>.part`` beside it, which the writer has locked: another one is refused, and what a killed one
    left is overwritten by the next. A device or pipe is written directly, a link's target takes the bytes.
    ``durable=False`` leaves it to the system when they reach the disk: for many small files that can be made again.
    Raises WriteError.
    """

    def __init__(self, path: str | Path, *, durable: bool = True) -> None:
        self._named = Path(path)
        self._durable = durable
        try:
            self.path = Path(os.path.realpath(path)) if os.path.islink(path) else self._named
            self._is_direct = os.path.exists(self.path) and not stat.S_ISREG(os.stat(self.path).st_mode)
            self.part = self.path if self._is_direct else part_of(self.path)
            if self._is_direct:
                self.file: IO[bytes] = open(self.path, "wb")  # noqa: SIM115
                return
            descriptor = open_locked(self.part)
            if descriptor is None:
                raise UserError(f"{path} is being written by another process: wait for its end, or end it")
            try:
                os.ftruncate(descriptor, 0)
                self.file = os.fdopen(descriptor, "w+b")
            except OSError:
                self.part.unlink(missing_ok=True)
                os.close(descriptor)
                raise
        except OSError as error:
            raise WriteError(self._named, error) from error

    def write(self, data: bytes | memoryview | str) -> int:
        """Append bytes, or text as UTF-8. Returns how many bytes."""
        try:
            return self.file.write(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise WriteError(self._named, error) from error

    def flush(self) -> None:
        """Put the bytes on disk, after which ``close`` needs no more room. For files that belong together."""
        try:
            self.file.flush()
            if self._durable and not self._is_direct:
                os.fsync(self.file.fileno())
        except OSError as error:
            self.discard()
            raise WriteError(self._named, error) from error

    def close(self) -> None:
        """Finish the file and give it its name."""
        self.flush()
        try:
            if not self._is_direct:
                # While the file is open, and so locked.
                put_in_place(self.part, self.path, durable=self._durable)
            self.file.close()
        except OSError as error:
            self.discard()
            raise WriteError(self._named, error) from error

    def discard(self) -> None:
        """Throw away what was written, which frees its space at once."""
        if not self._is_direct:
            with suppress(OSError):
                self.part.unlink(missing_ok=True)
        # Closing writes what is left, which fails again on a full disk.
        with suppress(OSError):
            self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self.discard()
        cause = _cause(error)
        if cause is not None:
            raise WriteError(self._named, cause) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file to write, for code that needs a file object; see AtomicFile."""
    with AtomicFile(path) as writer:
        yield writer.file  # type: ignore[misc]


def write_whole(path: str | Path, content: bytes | memoryview | str, *, durable: bool = True) -> None:
    """Write a file, text as UTF-8, whole or not at all. Raises WriteError."""
    with AtomicFile(path, durable=durable) as file:
        file.write(content)


def check_writable(path: str | Path) -> None:
    """Raise WriteError now where the result of long work could not be written to ``path`` later; makes its folder."""
    make_folder(Path(path).parent)
    # A pipe's reader would take the closing for the end.
    if not os.path.exists(path) or os.path.isfile(path) or os.path.isdir(path):
        AtomicFile(path, durable=False).discard()


def check_new_folder(folder: Path) -> None:
    """Raise UserError unless ``folder`` is missing or an empty folder, so that nothing is mixed or lost."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"Setting output is {shown(str(folder))}, which is there already: give a new folder.")


def part_of(path: Path) -> Path:
    """Return where the bytes of ``path`` gather."""
    name = f".{path.name}{PART_SUFFIX}"
    if len(os.fsencode(name)) > _LONGEST_NAME_BYTES >= len(os.fsencode(path.name)):
        name = f".{hashlib.blake2b(os.fsencode(path.name), digest_size=16).hexdigest()}{PART_SUFFIX}"
    return path.with_name(name)


def remove_abandoned(folder: Path, pattern: str) -> list[Path]:
    """Remove parts that killed writers left: those in ``folder`` of files named like ``pattern`` that nobody writes."""
    removed = []
    for part in sorted(folder.glob(f".{pattern}{PART_SUFFIX}")):
        with suppress(OSError):
            descriptor = open_locked(part)
            if descriptor is not None:
                part.unlink(missing_ok=True)
                os.close(descriptor)
                removed.append(part)
    return removed


def put_in_place(part: Path, path: Path, *, durable: bool = True) -> None:
    """Give a file that is whole and on disk its name, in one step; ``durable``: the name on disk, too."""
    os.replace(part, path)
    if durable:
        _sync_folder(path.parent)


def _cause(error: BaseException) -> OSError | None:
    """Return the system's error of writing an open file behind ``error``; torch.save raises another one over it."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__context__ if isinstance(found, RuntimeError) else None
    # Errors of opening another file name that one.
    return found if isinstance(found, OSError) and found.filename is None else None


def _sync_folder(folder: Path) -> None:
    """Put a rename on disk."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # A folder that may be written but not read: the rename reaches the disk in the system's own time.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
