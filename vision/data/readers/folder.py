"""Images in one folder for each class: ``cats/001.jpg``, ``dogs/old/9.png``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.problems import Problems
from vision.data.readers.file_table import (
    FileTable,
    check_name,
    foreign_images_problem,
    is_clutter,
    is_foreign_image_name,
    is_image_name,
    walk_files,
)
from vision.data.sample import Sample
from vision.settings.counted import counted
from vision.settings.errors import DataError
from vision.settings.file_names import same_letters, shown_name


class FolderReader:
    """All images below ``root``; the first folder of an image's path is its class.

    Ids follow ``class_names`` if given (those of training, so that a validation folder that lacks a class
    counts alike), else the sorted folder names. Targets are float32 [1], the class id.
    """

    def __init__(self, root: str | Path, class_names: Sequence[str] | None = None) -> None:
        root = Path(root)
        self._name = root.name
        found = class_folders(root)
        problems = Problems(str(root))
        self.class_names: tuple[str, ...] | None = tuple(found if class_names is None else class_names)
        # A copy by way of another system may write accents in another way.
        ids = {same_letters(name): class_id for class_id, name in enumerate(self.class_names)}
        for name in found:
            if same_letters(name) not in ids:
                problems.add(
                    f"folder {name!r} is not one of the classes {', '.join(self.class_names)}; "
                    "rename it or add it to the training data"
                )
        problems.raise_if_any()
        paths: list[str] = []
        others: list[str] = []
        class_ids: list[int] = []
        for name in found:
            before, before_others = len(paths), len(others)
            for below in walk_files(root / name):
                (paths if is_image_name(below) else others).append(f"{name}/{below}")
            class_ids += [ids[same_letters(name)]] * (len(paths) - before)
            if len(paths) == before and class_names is None and not foreign_images_problem(others[before_others:]):
                problems.add(f"class folder {name!r} holds no images; put some in or remove it")
        foreign = foreign_images_problem(others)
        if foreign:
            problems.add(foreign)
        problems.raise_if_any()
        if not paths:
            raise DataError(str(root), "holds no images in its class folders")
        left_out = f"left out {counted(len(others), 'file')} without the suffix of an image"
        self.remarks: tuple[str, ...] = (f"{left_out}, first {shown_name(others[0])}",) if others else ()
        self._files = FileTable(root, paths)
        self._class_ids = np.array(class_ids, np.float32)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._files.read(index, key), self.target(index), key)

    def target(self, index: int) -> np.ndarray:
        """Return the class id of one image, float32 [1]."""
        return self._class_ids[index : index + 1].copy()

    def key(self, index: int) -> str:
        """Return the path of the image with its channel's folder, such as ``train/cats/001.jpg``."""
        return f"{self._name}/{self._files[index]}"

    def image_size_px(self, index: int) -> tuple[int, int]:
        """Return (width, height) of one upright image, from its header."""
        return self._files.image_size_px(index, self.key(index))

    def path(self, index: int) -> str:
        """Return the path of the image below the root, such as ``cats/001.jpg``."""
        return self._files[index]


def class_folders(root: Path) -> list[str]:
    """Return the sorted names of the folders in ``root``, which must hold no images itself."""
    try:
        entries = [entry for entry in os.scandir(root) if not is_clutter(entry.name)]
    except OSError as error:
        raise DataError(str(root), f"cannot be read as a folder ({error.strerror})") from None
    for entry in entries:
        check_name(root, entry)
    files = sorted(entry.name for entry in entries if entry.is_file())
    loose = [name for name in files if is_image_name(name) or is_foreign_image_name(name)]
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    if loose:
        beside = f" beside the folders {', '.join(folders[:3])}" if folders else ""
        raise DataError(
            str(root),
            f"holds {counted(len(loose), 'image')} without a class{beside} (first {loose[0]}); put each image into a "
            "folder named after its class, or give labels by a .lst file, annotation JSON or a manifest",
        )
    letters: dict[str, str] = {}
    for name in folders:
        if not name.strip():
            raise DataError(str(root), f"holds the class folder {name!r}, whose name is blank; rename it")
        other = letters.setdefault(same_letters(name), name)
        if other != name:
            raise DataError(
                str(root),
                f"holds two class folders {name!r} whose accents are written in different ways (Unicode NFC and NFD); "
                "put their images together",
            )
    if not folders:
        raise DataError(
            str(root), "holds no images; put each image into a folder named after its class, below this one"
        )
    return folders
