"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PART_SUFFIX = ".part"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end it takes the place of ``path`` in one step, on disk too.

    After an error, a kill or a power cut at any moment ``path`` is what it was before, or whole and new. One
    writer at a time: the bytes gather in ``.<name>.part`` beside it, which the next writer overwrites.
    """
    part = path.with_name(f".{path.name}{PART_SUFFIX}")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        # Frees the space at once if the disk is full; the error that brought us here is the one to report.
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Put a rename on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
