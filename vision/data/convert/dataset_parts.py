"""Parts of a data set by the names of their folders: train beside valid, images/train beside images/val."""

from __future__ import annotations

from pathlib import Path

# What tools call them, by the channel that each is for.
PARTS = {
    "train": ("train", "training", "trainset", "train2017", "train2014", "trainval"),
    "validation": ("validation", "valid", "val", "dev", "val2017", "val2014"),
    "test": ("test", "testing", "test2017"),
}
NAMES = frozenset(name for names in PARTS.values() for name in names)


def is_part(path: Path) -> bool:
    """Whether a folder is called as a part of a data set."""
    return path.name.lower() in NAMES


def parts_in(folder: Path) -> list[Path]:
    """The folders of ``folder`` that are parts, sorted."""
    try:
        return sorted(path for path in folder.iterdir() if is_part(path) and path.is_dir())
    except OSError:
        return []


def siblings(path: Path) -> list[Path]:
    """All parts of the data set that ``path`` is a part of, itself included; only itself where it is none."""
    return (parts_in(path.resolve().parent) if is_part(path.resolve()) else []) or [path]
