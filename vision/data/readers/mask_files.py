"""Images with a mask each: an image file of the same name in another folder, which labels every pixel."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vision.data.class_list import find_class_list
from vision.data.containers.image_parts import ImageHeader
from vision.data.problems import Problems, first_names
from vision.data.readers.file_table import (
    FileTable,
    check_name,
    foreign_images_problem,
    is_clutter,
    is_image_name,
)
from vision.data.sample import Sample
from vision.settings.errors import DataError
from vision.settings.file_names import same_letters

MASK = ".png"


class MaskFilesReader:
    """Images in ``image_root`` and masks in ``mask_root``, which pair by their names without suffix.

    Sub-folders are not read: the S3 prefix ``.../train`` also fetches ``.../train_annotation``, so that the folder
    of the images often holds a copy of the masks. They, files that are no images, and masks without an image are
    remarks; an image without a mask is an error. The target is the bytes of the mask. Class names are those of a
    classes.txt beside the files.
    """

    def __init__(self, image_root: str | Path, mask_root: str | Path, suffixes: Sequence[str] = (MASK,)) -> None:
        image_root, mask_root = Path(image_root), Path(mask_root)
        kinds = " or ".join(suffix[1:].upper() for suffix in suffixes)
        if not mask_root.is_dir():
            raise DataError(str(mask_root), f"is no folder; one {kinds} file for each image must lie there")
        images, masks = _Entries.of(image_root), _Entries.of(mask_root)
        foreign = foreign_images_problem(images.files)
        if foreign:
            raise DataError(str(image_root), foreign)
        image_names = [name for name in images.files if is_image_name(name)]
        mask_names = [name for name in masks.files if name.lower().endswith(tuple(suffixes))]
        if not image_names:
            raise DataError(str(image_root), f"holds no images{images.instead()}")
        if not mask_names:
            are_jpegs = any(name.lower().endswith((".jpg", ".jpeg")) for name in masks.files)
            why = "; JPEG changes the values of pixels, so make the masks anew as PNG" if are_jpegs else ""
            raise DataError(str(mask_root), f"holds no {kinds} files{masks.instead()}{why}")
        mask_of, alone = _pair(image_root, image_names, mask_root, mask_names, kinds)
        others = [name for name in images.files if not is_image_name(name)]
        self.remarks: tuple[str, ...] = tuple(
            f"{len(names)} {what} left out: {first_names(names)}"
            for names, what in (
                ([f"{name}/" for name in images.folders], f"folders in {image_root}, which has its images at its top,"),
                (others, f"files in {image_root} are no images and"),
                (alone, f"masks in {mask_root} have no image of their name in {image_root} and are"),
            )
            if names
        )
        self.class_names: tuple[str, ...] | None = find_class_list(None, mask_root, image_root, above=mask_root.parent)
        self._name = mask_root.name
        self._images = FileTable(image_root, image_names)
        self._masks = FileTable(mask_root, mask_of)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._images.read(index, key), self.target(index), key)

    def target(self, index: int) -> bytes:
        """Return the bytes of one mask."""
        return self._masks.read(index, self.key(index))

    def key(self, index: int) -> str:
        """Return the image, and the mask with its channel's folder: ``a.jpg (masks/a.png)``."""
        return f"{self._images[index]} ({self._name}/{self._masks[index]})"

    def path(self, index: int) -> str:
        """Return the path of the image below the image folder."""
        return self._images[index]

    def image_size_px(self, index: int) -> tuple[int, int]:
        """Return (width, height) of one upright image, from its header."""
        return self._images.image_size_px(index, self.key(index))

    def image_header(self, index: int) -> ImageHeader:
        """Return the header of one image."""
        return self._images.image_header(index, self.key(index))


class _Entries(NamedTuple):
    """Names of the files and the folders at the top of a folder, sorted."""

    files: list[str]
    folders: list[str]

    @classmethod
    def of(cls, root: Path) -> _Entries:
        files: list[str] = []
        folders: list[str] = []
        for entry in sorted(os.scandir(root), key=lambda found: found.name):
            if is_clutter(entry.name):
                continue
            check_name(root, entry)
            (folders if entry.is_dir() else files).append(entry.name)
        return cls(files, folders)

    def instead(self) -> str:
        """Return what a folder holds in place of the files that it needs."""
        if self.folders:
            return f" at its top, but the folder {self.folders[0]}/: files in sub-folders are not read, move them up"
        suffixes = sorted({os.path.splitext(name)[1] for name in self.files})
        return f"; it holds files ending in {', '.join(suffixes[:5])}" if suffixes else ""


def _pair(
    image_root: Path, images: list[str], mask_root: Path, masks: list[str], kinds: str
) -> tuple[list[str], list[str]]:
    """Return the mask of each image, and the masks without an image. Raises DataError with all problems."""
    problems = Problems(str(mask_root))
    images_of: dict[str, list[str]] = defaultdict(list)
    masks_of: dict[str, list[str]] = defaultdict(list)
    for names, by_stem in ((images, images_of), (masks, masks_of)):
        for name in names:
            by_stem[_stem(name)].append(name)
    for stem, held in masks_of.items():
        if len(images_of.get(stem, ())) > 1:
            problems.add(f"{held[0]}: could belong to {first_names(images_of[stem])}; give each its own name")
        if len(held) > 1:
            problems.add(f"{held[1]}: belongs to the same image as {held[0]}; keep one of the two")
    missing = [name for name in images if _stem(name) not in masks_of]
    if missing:
        problems.add(
            f"{len(missing)} of {len(images)} images in {image_root} have no mask here: {first_names(missing)}; give "
            f"each a {kinds} of the same name, or remove them"
        )
    problems.raise_if_any()
    alone = [name for stem, held in masks_of.items() if stem not in images_of for name in held]
    return [masks_of[_stem(name)][0] for name in images], alone


def _stem(name: str) -> str:
    return same_letters(os.path.splitext(name)[0])
