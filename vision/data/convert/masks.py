"""Images with a mask each, in two folders: SageMaker's channels, PASCAL VOC's classes of pixels, and their like."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, ImageBytes, Plan
from vision.data.convert.dataset_folder import entries
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.output_files import ImagePlacer, below_images_folder, write_beside
from vision.data.image_codec import check_image
from vision.data.image_header import read_header
from vision.data.labels import Task
from vision.data.masks.color_map import read_color_list
from vision.data.masks.label_map import MOST_CLASSES
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_frame import stored_mask, upright_mask
from vision.data.masks.mask_png import IGNORED, write_mask
from vision.data.readers.file_table import is_image_name, read_file
from vision.data.skipped import Skipped
from vision.files.write_error import make_folder
from vision.settings.channels import ANNOTATION
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular_text

# Key of ``extra``: how many pixels of a mask do not count.
IGNORED_PIXELS = "ignored pixels"
_SUFFIX = ".png"
_IMAGE_FOLDERS = ("JPEGImages", "images", "imgs", "img_dir")
_MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug", "masks", "annotations", "labels", "ann_dir")
_LISTS = "ImageSets/Segmentation"


def masked_image(
    name: str, key: str, image: ImageBytes, mask: np.ndarray, extra: Mapping[str, Any] | None = None
) -> AnnotatedImage:
    """Return an image with its mask uint8 [H, W], which lies on the upright image, and the classes in it."""
    counts = np.bincount(mask.ravel(), minlength=256)
    present = np.flatnonzero(counts[:IGNORED])
    held = {**(extra or {}), **({IGNORED_PIXELS: int(counts[IGNORED])} if counts[IGNORED] else {})}
    return AnnotatedImage(name, key, image, tuple(present.tolist()), extra=held, mask=mask)


def with_background(class_names: Sequence[str], where: Path) -> tuple[str, ...]:
    """Return the classes of annotated objects behind a background. Raises DataError if they are too many for masks."""
    if len(class_names) >= MOST_CLASSES:
        raise DataError(
            str(where), f"has {len(class_names)} classes, but masks hold {MOST_CLASSES - 1} beside background"
        )
    return ("background", *class_names)


def upright_of(mask: np.ndarray, image: Path, key: str) -> np.ndarray:
    """Return a mask file's pixels as they lie on the upright image. Raises DataError where the sizes differ."""
    header, _ = check_image(read_file(image, key), key)
    return upright_mask(mask, header, key)


class MaskFolderSource(Source):
    """Reads images and masks that pair by name: PATH and PATH_annotation, or two known folders below PATH.

    Masks hold class ids, or with ``colors`` the listed colors. VOC's ``split`` names a list of ImageSets/Segmentation.
    """

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._images, self._masks = _folders(path, options.root)
        colors = None if options.colors is None else read_color_list(options.colors)
        self.class_names = find_class_list(options.classes, path, self._images, above=path.parent)
        if self.class_names is None and colors is not None:
            self.class_names = colors.class_names
        self._decode = MaskDecoder(MOST_CLASSES, colors=colors)
        images = {os.path.splitext(name)[0]: name for name in entries(self._images)[0] if is_image_name(name)}
        masks = {os.path.splitext(name)[0]: name for name in entries(self._masks)[0] if name.lower().endswith(_SUFFIX)}
        stems = images if options.split is None else _listed(path, options.split)
        self._pairs = [(images.get(stem), masks.get(stem), stem) for stem in stems]
        # Of VOC's images only a part has masks, and its lists say which.
        if self._images.name == _IMAGE_FOLDERS[0]:
            self._pairs = [pair for pair in self._pairs if pair[1] is not None]
        self._alone = sorted(set(masks) - set(images)) if options.split is None else []
        if not any(image and mask for image, mask, _ in self._pairs):
            raise UserError(f"{self._images} and {self._masks} share no name of an image and a PNG mask.")

    def __len__(self) -> int:
        return len(self._pairs)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for stem in self._alone:
            skipped.add(f"{self._masks.name}/{stem}{_SUFFIX}", f"has no image in {self._images}")
        for image, mask, stem in self._pairs:
            if image is None or mask is None:
                where = self._images if image is None else self._masks
                skipped.add(image or mask or stem, f"has no {'image' if image is None else 'mask'} in {where}")
                continue
            key = f"{image} ({self._masks.name}/{mask})"
            try:
                pixels = self._decode(read_file(self._masks / mask, key), key)
                yield masked_image(image, key, self._images / image, upright_of(pixels, self._images / image, key))
            except DataError as error:
                skipped.add(error.key, error.reason)


def mask_file(mask: np.ndarray, encoded: bytes | memoryview) -> bytes:
    """Return the palette PNG of a mask that lies on the upright image, as it lies on the pixels of the image's file."""
    header = read_header(bytes(encoded))
    assert header is not None
    return write_mask(stored_mask(mask, header))


class MaskFolderSink(Sink):
    """Writes images to ``output`` and palette masks to ``output``_annotation, as SageMaker's channels have them."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=masks, which has a folder of images: use images=link.")
        self._masks = output.with_name(f"{output.name}{ANNOTATION}")
        if self._masks.is_dir() and any(self._masks.iterdir()):
            raise UserError(f"{self._masks} exists already: give another output, or remove it first.")
        self._placer = ImagePlacer(output, images, walked=True)
        make_folder(self._masks)
        self._stems: set[str] = set()

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.mask is not None
        # The channel's reader looks at the top of its folder only.
        name = below_images_folder(image.name).replace("/", "_")
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}.png belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        self._placer.place(name, image, encoded)
        write_beside(self._masks, f"{stem}{_SUFFIX}", mask_file(image.mask, encoded), image)

    def close(self) -> None:
        self._placer.check()


def _folders(path: Path, root: Path | None) -> tuple[Path, Path]:
    """Return the folders of images and of masks. Raises UserError where one is not found."""
    beside = path.with_name(f"{path.name}{ANNOTATION}")
    if beside.is_dir() and root is None:
        return path, beside
    below = {name.lower(): path / name for name in entries(path)[1]}
    images = root or next((below[name.lower()] for name in _IMAGE_FOLDERS if name.lower() in below), None)
    masks = next((below[name.lower()] for name in _MASK_FOLDERS if name.lower() in below), path if root else None)
    if images is None or masks is None:
        raise UserError(
            f"{path} has no folder {beside.name} beside it, and no images and masks (or JPEGImages and "
            "SegmentationClass) in it: one of the two must hold the masks, or give root=FOLDER, that of the images."
        )
    return images, masks


def _listed(path: Path, split: str) -> list[str]:
    file = path / _LISTS / (split if split.endswith(".txt") else f"{split}.txt")
    try:
        with open_regular_text(file) as text:
            return list(dict.fromkeys(line.split()[0] for line in text.read().splitlines() if line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"split={split} needs the list {file}, which cannot be read: {error}.") from None


FORMAT = DatasetFormat(
    name="masks",
    place="folder of images, its masks in FOLDER_annotation; or a folder with images and masks",
    labels=frozenset(("mask",)),
    source=MaskFolderSource,
    sink=MaskFolderSink,
    kept=frozenset((IGNORED_PIXELS,)),
)
