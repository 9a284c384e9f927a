"""LabelMe's polygons, rectangles, circles and masks as a class for each pixel."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.data.boxes.image_size import Fit, fit_of, size_message
from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.format import DatasetFormat, Source, SourceOptions
from vision.data.convert.labelme import LabelMeSink
from vision.data.convert.labelme_files import (
    BACKGROUND,
    IGNORED_LABEL,
    MASK,
    LabelMeFolder,
    box_around,
    decoded,
    kind_of,
    outline_of,
    shape_of,
    size_stated_in,
)
from vision.data.convert.masks import IGNORED_PIXELS, masked_image, with_background
from vision.data.image_codec import decode_rgb, image_header
from vision.data.labels import Task
from vision.data.masks.mask_png import IGNORED
from vision.data.masks.rasterize import fill_polygon, paint_objects
from vision.data.skipped import Skipped
from vision.settings.errors import DataError


class LabelMeMaskSource(Source):
    """Reads the JSON files below a folder: class 0 is the background, the labels follow sorted, or as ``classes`` says.

    Small shapes cover large ones. Shapes without an area, such as points and lines, are left out.
    """

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._folder = LabelMeFolder(path, options.root)
        listed = find_class_list(options.classes, path)
        if listed is None:
            labels = set().union(*self._folder.contents().labels.values()) - {BACKGROUND, IGNORED_LABEL}
            listed = with_background(sorted(labels), path)
        self.class_names = listed
        self._names = ", ".join(listed)[:200]
        self._class_of = {name: class_id for class_id, name in enumerate(listed)}
        self._class_of |= {BACKGROUND: 0, IGNORED_LABEL: IGNORED}

    def __len__(self) -> int:
        return len(self._folder.files)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for file in self._folder.files:
            try:
                document = self._folder.read(file)
                name, image, size_px = self._folder.image(file, document)
                scale = _scale(size_stated_in(document), size_px, file)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            if scale is not None:
                skipped.note(file, "states another size than its image has: its shapes are scaled with it")
            shapes = self._objects(document["shapes"], size_px, scale, file, skipped)
            yield masked_image(name, f"{file} ({name})", image, paint_objects(shapes, size_px))

    def _objects(
        self, shapes: list[Any], size_px: tuple[int, int], scale: np.ndarray | None, file: str, skipped: Skipped
    ) -> Iterator[tuple[int, np.ndarray]]:
        for number, shape in enumerate(shapes):
            try:
                yield self._object(shape, size_px, scale)
            except (DataError, ValueError) as problem:
                reason = problem.reason if isinstance(problem, DataError) else str(problem)
                skipped.add(f"{file} shape {number}", reason)

    def _object(self, shape: Any, size_px: tuple[int, int], scale: np.ndarray | None) -> tuple[int, np.ndarray]:
        """Return class id and pixels bool [H, W] of one shape. Raises ValueError or DataError."""
        label = shape.get("label") if isinstance(shape, Mapping) else shape
        if not isinstance(shape, Mapping) or not isinstance(label, str) or label not in self._class_of:
            raise ValueError(f"has the label {label!r:.60}, which is none of {self._names}")
        if kind_of(shape) != MASK:
            corners = outline_of(shape)
            return self._class_of[label], fill_polygon(corners if scale is None else corners * scale, size_px)
        if scale is not None:
            raise ValueError("is a mask of pixels, which cannot be scaled with its image")
        return self._class_of[label], _mask_pixels(shape, size_px)


class LabelMeMaskSink(LabelMeSink):
    """Writes the pixels of each class but the first as one mask, and those that do not count under their own label."""

    def _shapes(self, image: AnnotatedImage) -> list[dict[str, object]]:
        assert image.mask is not None
        names = {**dict(enumerate(self._plan.class_names)), IGNORED: IGNORED_LABEL}
        return [_shape(image.mask == value, names[value]) for value in np.unique(image.mask).tolist() if value]


def _shape(pixels: np.ndarray, label: str) -> dict[str, object]:
    """Return the pixels bool [H, W] of a class as a mask as large as they need."""
    (top, left), (bottom, right) = (bound(np.nonzero(pixels), axis=1).tolist() for bound in (np.min, np.max))
    window = pixels[top : bottom + 1, left : right + 1].astype(np.uint8) * 255
    encoded = base64.b64encode(cv2.imencode(".png", window)[1].tobytes()).decode()
    return shape_of(label, MASK, [[left, top], [right, bottom]], encoded)


def _scale(stated: tuple[int, int] | None, size_px: tuple[int, int], file: str) -> np.ndarray | None:
    """Return the factors of x and y, float64 [2], where the image was resized; None where its size is the stated one.

    Raises DataError where the stated size is of another picture.
    """
    fit = Fit.EQUAL if stated is None else fit_of(stated, size_px)
    if stated is None or fit is Fit.EQUAL:
        return None
    if fit is Fit.OTHER:
        raise DataError(file, f"{size_message(stated, size_px)}: its shapes are of another picture")
    return np.array(size_px) / np.array(stated)


def _mask_pixels(shape: Mapping[str, Any], size_px: tuple[int, int]) -> np.ndarray:
    """Return the pixels bool [H, W] of a shape that is a mask: a small picture and where it lies."""
    left, top = (round(corner) for corner in box_around(shape)[:2])
    encoded = decoded(shape.get("mask"), MASK, "a mask")
    width, height = image_header(encoded, MASK).upright_size
    if min(left, top) < 0 or left + width > size_px[0] or top + height > size_px[1]:
        raise ValueError(f"is a mask of {width}x{height} pixels at {left}, {top}, which leaves its image")
    pixels = np.zeros(size_px[::-1], bool)
    pixels[top : top + height, left : left + width] = decode_rgb(encoded, MASK).any(axis=2)
    return pixels


FORMAT = DatasetFormat(
    name="labelme_masks",
    place="folder of LabelMe: images and a .json file for each, whose shapes become masks",
    labels=frozenset(("mask",)),
    source=LabelMeMaskSource,
    sink=LabelMeMaskSink,
    kept=frozenset((IGNORED_PIXELS,)),
)
