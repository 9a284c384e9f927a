"""Which annotated data set a path holds, by a look at its folders and the beginning of a file or two."""

from __future__ import annotations

import os
from pathlib import Path

from vision.data.convert.dataset_parts import parts_in
from vision.data.convert.voc_layout import VocLayout
from vision.data.convert.yolo_layout import LABELS, labels_beside, looks_like_label
from vision.data.readers.file_table import is_clutter, is_image_name
from vision.settings.regular_file import open_regular

_HEAD_BYTES = 1 << 16
# Files of a folder that are looked into; in a data set of that format the first will do.
_LOOKED_INTO = 8


def recognised(path: Path) -> tuple[str, str] | None:
    """The format's name in ``vision convert`` and what shows it; None if the path holds none of them."""
    if path.is_file():
        return ("coco", path.name) if path.suffix.lower() == ".json" and _is_coco(path) else None
    folders = _entries(path)[1]
    for place in (path, path / "annotations"):
        found = next((file for file in _of_suffix(place, ".json") if _is_coco(file)), None)
        if found is not None:
            return "coco", str(found.relative_to(path))
    if any(_is_voc(file) for file in _of_suffix(VocLayout(path).annotations, ".xml")):
        return "voc", f"{VocLayout(path).annotations.name}/"
    if {"images", "annotations"} <= set(folders) and _of_suffix(path / "annotations", ".json"):
        return "annotation_json", "annotations/"
    for place in (path, *parts_in(path), *(path / name for name in folders if name.startswith("obj_"))):
        if _holds_yolo(place):
            return "yolo", f"{place.name}/" if place != path else LABELS
    return None


def _holds_yolo(folder: Path) -> bool:
    if labels_beside(folder) is not None:
        return True
    names, folders = _entries(folder)
    if {"images", LABELS} <= {name.lower() for name in folders}:
        return True
    stems = {os.path.splitext(name)[0] for name in names if is_image_name(name)}
    texts = [name for name in names if name.lower().endswith(".txt") and name[:-4] in stems]
    return any(looks_like_label(folder / name) for name in texts[:_LOOKED_INTO])


def _is_coco(path: Path) -> bool:
    head = _head(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"{") and (b'"images"' in head or b'"image_id"' in head)


def _is_voc(path: Path) -> bool:
    return b"<annotation" in _head(path)


def _of_suffix(folder: Path, suffix: str) -> list[Path]:
    """The first few files with a suffix in a folder or, if it has none, in its first folder."""
    names, folders = _entries(folder)
    found = [folder / name for name in names if name.lower().endswith(suffix)][:_LOOKED_INTO]
    if found or not folders:
        return found
    below = folder / folders[0]
    return [below / name for name in _entries(below)[0] if name.lower().endswith(suffix)][:_LOOKED_INTO]


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Sorted names of the files and of the folders in ``folder``."""
    try:
        entries = sorted((e for e in os.scandir(folder) if not is_clutter(e.name)), key=lambda entry: entry.name)
    except OSError:
        return [], []
    return [e.name for e in entries if e.is_file()], [e.name for e in entries if e.is_dir()]


def _head(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""
