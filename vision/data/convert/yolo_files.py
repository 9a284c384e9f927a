"""The files of a YOLO data set: images, label files and class names, in the layouts that tools write."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from vision.data.class_list import YOLO_LISTS, check_fit, find_class_list
from vision.data.convert.dataset_folder import MAX_INSPECTED, entries, is_part, parts_in
from vision.data.convert.format import SourceOptions
from vision.data.readers.file_table import foreign_images_problem, is_image_name, walk_files
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular

IMAGES, LABELS = "images", "labels"
_SUFFIX = ".txt"
# Text files that tools leave among the labels: lists of images and of classes, and read-me files.
_NO_LABELS = (*YOLO_LISTS, "train.txt", "val*.txt", "test.txt", "readme*", "notes*", "predefined_classes.txt")


class YoloLayout:
    """Pairs images below ``images_root`` with label files below ``labels_root`` by their paths.

    Both have the same path without its suffix and without the folder ``images`` or ``labels``. This fits images beside
    labels, train/images beside train/labels, and one folder of both.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        root, split, classes = options.root, options.split, options.classes
        if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
            path, classes = path.parent, classes or path
        self.images_root, self.labels_root = root or path, labels_beside(path) or path
        files = list(walk_files(self.images_root))
        foreign = foreign_images_problem(files)
        if foreign:
            raise DataError(str(self.images_root), foreign)
        images = [name for name in files if is_image_name(name)]
        if not images:
            raise UserError(f"{self.images_root} holds no images (root=FOLDER where they lie elsewhere).")
        self._labels: dict[str, str] = {}
        self.others: list[str] = []
        for file in sorted(_label_files(self.labels_root), key=lambda file: LABELS not in file.lower().split("/")):
            if self._labels.setdefault(_paired(file), file) != file:
                self.others.append(file)
        stems = {_paired(name) for name in images}
        if not stems & set(self._labels):
            raise UserError(
                f"{path} holds {counted(len(images), 'image')}, but no label file of any of them: YOLO has them in "
                "labels beside images, or beside each image, with the image's name and the suffix .txt."
            )
        self.others += [file for stem, file in self._labels.items() if stem not in stems]
        self.images = [name for name in images if split is None or _is_in(name, split)]
        if not self.images:
            raise UserError(f"split={split} is not a folder of images in {self.images_root}.")
        folders = [place for top in (path, *parts_in(path)) for place in (top, top / LABELS, top / IMAGES)]
        around = path.resolve().parent
        is_below = (
            is_part(path) or path.name.lower() == IMAGES or path.name.startswith("obj_") or self.labels_root != path
        )
        above = [around, around.parent] if is_below else []
        self.class_names = find_class_list(classes, *folders, self.labels_root, *above, patterns=YOLO_LISTS)
        if options.class_names is not None:
            check_fit(str(path), self.class_names, options.class_names)
            self.class_names = options.class_names

    def label_of(self, image: str) -> str | None:
        """Return the path of an image's label file below ``labels_root``; None if it has none."""
        return self._labels.get(_paired(image))

    def orphans(self) -> Iterator[str]:
        """Yield the label files without an image."""
        for file in sorted(self.others):
            name = os.path.basename(file).lower()
            if any(fnmatch.fnmatch(name, pattern) for pattern in _NO_LABELS):
                continue
            if LABELS in file.lower().split("/")[:-1] or looks_like_label(self.labels_root / file):
                yield file


def plain_name(path: str) -> str:
    """Return the path without its last folder called images or labels: ``train/a.jpg`` for ``train/images/a.jpg``."""
    *folders, name = path.split("/")
    for place in reversed(range(len(folders))):
        if folders[place].lower() in (IMAGES, LABELS):
            del folders[place]
            break
    return "/".join([*folders, name])


def _paired(path: str) -> str:
    return os.path.splitext(plain_name(path))[0]


def image_folders(path: Path) -> list[str]:
    """Return the names of the parts that ``split`` can select."""
    parts = [part.name for place in (path, path / IMAGES) for part in parts_in(place)]
    return [*parts, *(part for part in ("train", "valid", "test") if (path / f"obj_{part}_data").is_dir())]


def labels_beside(path: Path) -> Path | None:
    """Return the folder ``data/labels/train`` for ``data/images/train``; None if there is none."""
    parts = path.resolve().parts
    for place in reversed(range(len(parts))):
        if parts[place].lower() == IMAGES:
            above = Path(*parts[:place])
            labels = sorted(name for name in os.listdir(above) if name.lower() == LABELS)
            beside = [Path(above, name, *parts[place + 1 :]) for name in labels]
            return next((folder for folder in beside if folder.is_dir()), None)
    return None


def _label_files(root: Path) -> Iterator[str]:
    return (file for file in walk_files(root) if file.lower().endswith(_SUFFIX))


def _is_in(image: str, split: str) -> bool:
    return bool({split, f"obj_{split}_data"}.intersection(image.split("/")[:-1]))


def recognize_yolo(path: Path) -> str | None:
    """Return the name of the folder that shows that ``path`` holds a YOLO data set; None if nothing does."""
    if path.is_file():
        return None
    bundles = [path / name for name in entries(path)[1] if name.startswith("obj_")]
    for place in (path, *parts_in(path), *bundles):
        if _holds_yolo(place):
            return LABELS if place == path else f"{place.name}/"
    return None


def _holds_yolo(folder: Path) -> bool:
    if labels_beside(folder) is not None:
        return True
    names, folders = entries(folder)
    if {IMAGES, LABELS} <= {name.lower() for name in folders}:
        return True
    stems = {os.path.splitext(name)[0] for name in names if is_image_name(name)}
    texts = [name for name in names if name.lower().endswith(_SUFFIX) and name[:-4] in stems]
    return any(looks_like_label(folder / name) for name in texts[:MAX_INSPECTED])


def looks_like_label(path: Path) -> bool:
    """Return whether the first line of a text file looks like an object's."""
    try:
        with open_regular(path) as file:
            words = file.read(256).split(b"\n")[0].split()
        return len(words) >= 5 and all(float(word) >= 0 for word in words)
    except (OSError, ValueError):
        return False
