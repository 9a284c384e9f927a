"""The folder of a data set: its files, and its parts (train, validation, test) by the names of their folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from vision.data.readers.file_table import is_clutter
from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

# What tools call the parts, by the channel that each is for.
PARTS = {
    "train": ("train", "training", "trainset", "train2017", "train2014", "trainval"),
    "validation": ("validation", "valid", "val", "dev", "val2017", "val2014"),
    "test": ("test", "testing", "test2017"),
}
NAMES = frozenset(name for names in PARTS.values() for name in names)
# Files of a folder that are looked into; in a data set of that format the first will do.
MAX_INSPECTED = 8
_HEAD_BYTES = 1 << 16


def is_part(path: Path) -> bool:
    """Return whether a folder has the name of a part of a data set."""
    return path.name.lower() in NAMES


def parts_in(folder: Path) -> list[Path]:
    """Return the folders of ``folder`` that are parts, sorted."""
    try:
        return sorted(path for path in folder.iterdir() if is_part(path) and path.is_dir())
    except OSError:
        return []


def siblings(path: Path) -> list[Path]:
    """Return all parts of the data set that ``path`` is a part of, itself included; only itself where it is none."""
    return (parts_in(path.resolve().parent) if is_part(path.resolve()) else []) or [path]


def part_for(channel: str, parts: Collection[str]) -> str | None:
    """Return the name of the part for ``channel``; None if there is none, or no part for any other channel."""
    fitting = [name for name in PARTS.get(channel, ()) if name in parts]
    is_divided = any(name in parts for other, names in PARTS.items() if other != channel for name in names)
    return fitting[0] if fitting and is_divided else None


def entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the sorted names of the files and of the folders in ``folder``; empty where it cannot be listed."""
    try:
        found = sorted((e for e in os.scandir(folder) if not is_clutter(e.name)), key=lambda entry: entry.name)
    except OSError:
        return [], []
    return [e.name for e in found if e.is_file()], [e.name for e in found if e.is_dir()]


def first_files(folder: Path, suffix: str) -> list[Path]:
    """Return the first few files with a suffix in a folder or, if it has none, in its first folder."""
    names, folders = entries(folder)
    found = [folder / name for name in names if name.lower().endswith(suffix)][:MAX_INSPECTED]
    if found or not folders:
        return found
    below = folder / folders[0]
    return [below / name for name in entries(below)[0] if name.lower().endswith(suffix)][:MAX_INSPECTED]


def head(path: Path, most_bytes: int = _HEAD_BYTES) -> bytes:
    """Return the beginning of a file; empty where it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(most_bytes)
    except OSError:
        return b""


def only_file(folder: Path, suffix: str, is_meant: Callable[[Path], bool], title: str) -> Path:
    """Return the only file of a folder that is an export of the tool ``title``. Raises UserError."""
    found = [file for file in first_files(folder, suffix) if is_meant(file)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:3]) or "none"
        raise UserError(f"{folder} holds {len(found)} exports of {title} ({names}): give the path of one.")
    return found[0]


def meant_file(path: Path, suffix: str, is_meant: Callable[[Path], bool]) -> str | None:
    """Return the name of the file that is meant, or below the folder; None if there is none."""
    if path.is_file():
        return path.name if path.suffix.lower() == suffix and is_meant(path) else None
    found = next(filter(is_meant, first_files(path, suffix)), None)
    return None if found is None else os.path.relpath(found, path)
