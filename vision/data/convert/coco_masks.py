"""COCO's polygons and run-length encoded masks as a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.coco import CocoSink, CocoSource
from vision.data.convert.coco_segmentation import box_of, pixels_of
from vision.data.convert.format import DatasetFormat, SourceOptions
from vision.data.convert.masks import masked_image, with_background
from vision.data.labels import Task
from vision.data.masks.rasterize import paint_objects, runs_of
from vision.data.readers.file_table import file_size_px
from vision.data.skipped import Skipped
from vision.settings.errors import DataError


class CocoMaskSource(CocoSource):
    """Reads the JSON file at ``path``: class 0 is the background, the categories follow in the order of their ids.

    A classes.txt beside the file may name the background itself, as the first class and no category. Small objects
    cover large ones. An annotation without a segmentation is left out.
    """

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        super().__init__(path, options)
        names = self.class_names or ()
        self._shift = 0 if names and 0 not in self._file.class_of.values() else 1
        self.class_names = with_background(names, self._path) if self._shift else names

    def _image(self, image: object, number: int, skipped: Skipped) -> AnnotatedImage:
        image, key = self._checked(image, number)
        name, path = self._finder.find(image.get("file_name"), key)
        size_px = file_size_px(path, key)
        stated = image.get("width"), image.get("height")
        if None not in stated and stated != size_px:
            raise DataError(key, f"states {stated[0]}x{stated[1]} pixels, but its image has {size_px[0]}x{size_px[1]}")
        return masked_image(name, key, path, paint_objects(self._objects(image["id"], size_px, key, skipped), size_px))

    def _objects(
        self, image_id: int, size_px: tuple[int, int], key: str, skipped: Skipped
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield class id and pixels bool [H, W] of each annotation of an image."""
        for annotation in self._file.annotations_of[image_id]:
            class_id = self._file.class_of.get(annotation.get("category_id", ""))
            try:
                if class_id is None:
                    raise ValueError(f"has category_id={annotation.get('category_id')!r:.40}, which none has")
                yield class_id + self._shift, pixels_of(annotation.get("segmentation"), size_px)
            except ValueError as problem:
                skipped.add(f"{key} annotation {annotation.get('id')!s:.40}", str(problem))


class CocoMaskSink(CocoSink):
    """Writes the pixels of each class in an image, but for class 0, as one annotation with a run-length encoding."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        super().__init__(output, replace(plan, class_names=plan.class_names[1:]), images)

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.mask is not None
        objects = tuple(_object(image.mask == class_id, class_id - 1) for class_id in image.class_ids or () if class_id)
        super().write(replace(image, objects=objects), encoded, size_px)


def _object(pixels: np.ndarray, category: int) -> AnnotatedObject:
    """Return the pixels bool [H, W] of a class as one object."""
    segmentation = runs_of(pixels)
    return AnnotatedObject(
        category, box_of(segmentation), extra={"coco.segmentation": segmentation, "coco.area": int(pixels.sum())}
    )


FORMAT = DatasetFormat(
    name="coco_masks",
    place="FILE.json of COCO or its folder: polygons and RLE as masks, written as RLE",
    labels=frozenset(("mask",)),
    source=CocoMaskSource,
    sink=CocoMaskSink,
    suffixes=(".json",),
)
