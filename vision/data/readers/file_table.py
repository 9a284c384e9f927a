"""The files of one folder tree: finding them, keeping the names of millions compactly, reading one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.settings.errors import DataError

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"))
MAX_FILE_BYTES = 1 << 29


class FileTable:
    """Paths below ``root``, joined in one buffer (a list of strings would be copied into every process).

    A path that is absolute is used as it is; who builds the table decides whether to allow that.
    """

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = b"".join(encoded)
        self._ends = np.cumsum([len(path) for path in encoded], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = int(self._ends[index - 1]) if index else 0
        return os.fsdecode(self._bytes[start : int(self._ends[index])])

    def read(self, index: int, key: str) -> bytes:
        """Content of one file. Raises DataError under ``key``."""
        path = os.path.join(self.root, self[index])
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_FILE_BYTES:
                    raise DataError(
                        key, f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} that a file may have"
                    )
                return file.read(size)
        except OSError as error:
            raise DataError(key, f"{path} cannot be read ({error.strerror})") from None


def path_problem(root: Path, path: str) -> str | None:
    """Half a sentence if ``path``, relative to ``root`` with forward slashes, leaves it or is no file."""
    if "\0" in path or not path.isprintable():
        return f"path {path!r:.100} holds characters that cannot be in a file name"
    if os.path.isabs(path) or ".." in path.split("/"):
        return f"path {path!r} must be relative to {root} and stay below it, without '..'"
    full = os.path.join(root, path)
    if os.path.isfile(full):
        return None
    if os.path.isdir(full):
        return f"path {path!r} is a folder, not an image"
    hint = "; use forward slashes" if "\\" in path else ""
    return f"file {path!r} does not exist below {root}{hint}"


def is_image_name(path: str) -> bool:
    """Whether the suffix is one of an image."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


def walk_files(root: Path) -> Iterator[str]:
    """Paths of all files below ``root``, relative with forward slashes, sorted within each folder.

    Hidden files and folders and those that operating systems leave behind do not count. Links to folders are
    followed; one that leads back into itself is a DataError.
    """
    yield from _walk(root, "", (os.path.realpath(root),))


def _walk(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        if is_clutter(entry.name):
            continue
        if not entry.is_dir():
            yield prefix + entry.name
            continue
        real = os.path.realpath(entry.path)
        if real in above:
            raise DataError(entry.path, "is a link to a folder that holds it; remove the link")
        yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", (*above, real))


def is_clutter(name: str) -> bool:
    """Whether the name of a file or folder says that no user put it there."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")
