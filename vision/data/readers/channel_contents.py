"""What a channel's path holds, by names alone: RecordIO, a manifest, a list of images, or images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vision.data.convert.formats import CHANNEL_FORMATS, FORMATS, recognize
from vision.data.foreign_bytes import describe_bytes
from vision.data.readers.file_table import is_clutter, is_foreign_image_name, is_image_name
from vision.settings.channels import ANNOTATION
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

SUFFIXES: dict[str, tuple[str, ...]] = {
    "RecordIO": FORMATS["recordio"].suffixes,
    "a manifest": FORMATS["manifest"].suffixes,
    "an image list": FORMATS["lst"].suffixes,
}


@dataclass(frozen=True)
class Contents:
    """One form of data at a path: its files (empty for images, which are found by walking) and a name to show.

    ``form`` is "images", one of SUFFIXES or the title of an annotated data set.
    """

    form: str
    files: tuple[Path, ...]
    example: str


def look(path: Path, *, below: bool = False) -> tuple[Contents, ...]:
    """Return every form that a file or the top of a folder holds; raises DataError if there is none.

    ``below`` also looks for .rec files one folder deeper.
    """
    found = _look_into_folder(path, below) if path.is_dir() else _look_at_file(path)
    return tuple(found)


def dataset_format(path: Path) -> str | None:
    """Return the name of the format, as conversions know it, of the data at a path; None if it holds none."""
    try:
        form = look(path)[0].form
    except (DataError, OSError):
        return None
    if form == "images":
        return "masks" if path.with_name(f"{path.name}{ANNOTATION}").is_dir() else "folder"
    files = {"RecordIO": "recordio", "a manifest": "manifest", "an image list": "lst"}
    return files[form] if form in files else CHANNEL_FORMATS[form].name


def _look_at_file(path: Path) -> list[Contents]:
    for form, suffixes in SUFFIXES.items():
        if path.name.lower().endswith(suffixes):
            return [Contents(form, (path,), path.name)]
    data_set = recognize(path)
    if data_set is not None:
        return [Contents(data_set[0], (path,), path.name)]
    try:
        with open_regular(path) as file:
            start = file.read(256)
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})") from None
    looks = "one image" if is_image_name(path.name) or is_foreign_image_name(path.name) else describe_bytes(start)
    raise DataError(
        str(path),
        f"is {looks}, but a channel is a .rec, .manifest, .jsonl or .lst file, one of COCO, or a folder with .rec "
        "files, a manifest, images, or a data set of COCO, VOC, YOLO, Label Studio, CVAT or LabelMe",
    )


def _look_into_folder(path: Path, below: bool) -> list[Contents]:
    entries = [entry for entry in os.scandir(path) if not is_clutter(entry.name)]
    names = sorted(entry.name for entry in entries if entry.is_file())
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    if below:
        names += sorted(str(file.relative_to(path)) for file in path.glob("*/*.rec"))
    found: list[Contents] = []
    for form, suffixes in SUFFIXES.items():
        files = [name for name in names if name.lower().endswith(suffixes)]
        if files:
            found.append(Contents(form, tuple(path / name for name in files), files[0]))
    data_set = recognize(path)
    if data_set is not None:
        found.append(Contents(data_set[0], (path,), data_set[1]))
    images = [name for name in names if is_image_name(name) or is_foreign_image_name(name)]
    if images or folders:
        found.append(Contents("images", (), images[0] if images else f"{folders[0]}/"))
    if not found:
        what = f"no data but {', '.join(names[:3])}" if names else "nothing"
        raise DataError(str(path), f"holds {what}; a channel needs .rec files, a manifest or images")
    return found
