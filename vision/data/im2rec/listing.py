"""Write .lst files of the images below a folder, line for line as MXNet's im2rec does."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from vision.data.readers.file_table import is_foreign_image_name, is_image_name
from vision.data.skipped import Skipped
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.settings.errors import DataError
from vision.settings.file_names import line_problem, name_problem, shown_name
from vision.settings.regular_file import irregular_kind

# MXNet's; with it the same tree gives the same order.
_SHUFFLE_SEED = 100


@dataclass(frozen=True)
class ListOptions:
    """How to list.

    ``extensions`` match in any case, with or without their dot. ``train_ratio`` and ``test_ratio`` are shares of a
    chunk, the rest is for validation; where they exceed 1, training gets what the test leaves.
    """

    extensions: tuple[str, ...] = (".jpeg", ".jpg", ".png")
    recursive: bool = False
    shuffle: bool = True
    chunks: int = 1
    train_ratio: float = 1.0
    test_ratio: float = 0.0


@dataclass(frozen=True)
class Listing:
    """Images as (index, path relative to the root, label), and the folder of each label.

    ``others`` are image files whose suffix was not asked for.
    """

    images: list[tuple[int, str, int]]
    folders: tuple[str, ...]
    skipped: Skipped
    others: tuple[str, ...]


def list_images(root: Path, options: ListOptions) -> Listing:
    """Find the images. If recursive, each folder with images is a class, numbered in the order of the walk."""
    if not root.is_dir():
        raise DataError(str(root), "is not a folder; give the folder of the images as ROOT")
    found: list[tuple[int, str, int]] = []
    folders: dict[str, int] = {}
    skipped, others = Skipped(), []
    suffixes = {f".{extension.lower().removeprefix('.')}" for extension in options.extensions}
    for folder, below in _walk(root) if options.recursive else [("", sorted(os.listdir(root)))]:
        for name in below:
            path = f"{folder}{name}"
            if os.path.isdir(root / path):
                continue
            if os.path.splitext(name)[1].lower() not in suffixes:
                if is_image_name(name) or is_foreign_image_name(name):
                    others.append(path)
                continue
            kind = irregular_kind(root / path)
            if kind is not None:
                skipped.add(shown_name(path), f"is {kind}, not a file")
                continue
            problem = name_problem(path)
            if problem:
                raise DataError(str(root), f"holds the image {shown_name(path)}, whose name {problem}")
            problem = line_problem(path)
            if problem:
                skipped.add(shown_name(path), problem)
                continue
            label = folders.setdefault(folder.rstrip("/") or ".", len(folders)) if options.recursive else 0
            found.append((len(found), path, label))
    return Listing(found, tuple(folders), skipped, tuple(others))


def write_lists(prefix: str, listing: Listing, options: ListOptions) -> dict[str, int]:
    """Write ``prefix``.lst, or its parts by chunks and ratios. Returns the number of lines by file."""
    images = list(listing.images)
    if options.shuffle:
        random.Random(_SHUFFLE_SEED).shuffle(images)
    written: dict[str, int] = {}
    size = -(-len(images) // options.chunks)
    train, test = int(size * options.train_ratio), int(size * options.test_ratio)
    for number in range(options.chunks):
        chunk = images[number * size : (number + 1) * size]
        stem = f"{prefix}_{number}" if options.chunks > 1 else prefix
        parts = {"": chunk}
        if options.train_ratio != 1.0:
            parts = {"_train": chunk[test : test + train]}
            if options.test_ratio:
                parts["_test"] = chunk[:test]
            if options.train_ratio + options.test_ratio < 1.0:
                parts["_val"] = chunk[test + train :]
        for suffix, part in parts.items():
            path = Path(f"{stem}{suffix}.lst")
            make_folder(path.parent)
            write_whole(path, "".join(f"{index}\t{label:f}\t{name}\n" for index, name, label in part))
            written[str(path)] = len(part)
    return written


def _walk(root: Path) -> list[tuple[str, list[str]]]:
    """Return (folder with a slash at its end, sorted file names) of the root and all folders below."""
    found = []
    for path, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        here = os.path.realpath(path)
        for name in folders:
            real = os.path.realpath(os.path.join(path, name))
            if here == real or here.startswith(real + os.sep):
                raise DataError(os.path.join(path, name), "is a link to a folder that holds it; remove the link")
        below = os.path.relpath(path, root)
        found.append(("" if below == "." else f"{below}/", sorted(files)))
    return found
