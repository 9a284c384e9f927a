"""YOLO's polygons, lines ``class x1 y1 x2 y2 ...`` in fractions of the image, as a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.format import DatasetFormat, Source, SourceOptions
from vision.data.convert.masks import masked_image, with_background
from vision.data.convert.yolo import LINE_WORDS, MAX_LABEL_BYTES
from vision.data.convert.yolo_files import YoloLayout, plain_name
from vision.data.labels import Task
from vision.data.masks.label_map import MOST_CLASSES
from vision.data.masks.rasterize import fill_polygon, paint_objects
from vision.data.readers.file_table import file_size_px
from vision.data.skipped import Skipped
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular_text


class YoloMaskSource(Source):
    """Reads a YOLO data set with polygons: class 0 is the background, YOLO's classes follow.

    Small objects cover large ones. A line with a box is left out.
    """

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._layout = YoloLayout(path, options)
        names = self._layout.class_names
        self.class_names = None if names is None else with_background(names, path)

    def __len__(self) -> int:
        return len(self._layout.images)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for image in self._layout.images:
            path, name, label = self._layout.images_root / image, plain_name(image), self._layout.label_of(image)
            try:
                size_px = file_size_px(path, image)
                lines = () if label is None else self._lines(label)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            mask = paint_objects(_objects(lines, size_px, label, skipped), size_px)
            yield masked_image(name, f"{label} ({name})" if label else name, path, mask)

    def _lines(self, label: str) -> list[str]:
        try:
            with open_regular_text(self._layout.labels_root / label) as file:
                return file.read(MAX_LABEL_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(label, f"cannot be read as text ({error})") from None


def _objects(
    lines: Sequence[str], size_px: tuple[int, int], label: str | None, skipped: Skipped
) -> Iterator[tuple[int, np.ndarray]]:
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                yield _object(line, size_px)
        except ValueError as problem:
            skipped.add(f"{label} line {number}", str(problem))


def _object(line: str, size_px: tuple[int, int]) -> tuple[int, np.ndarray]:
    """Return class id and pixels bool [H, W] of one line. Raises ValueError with the rest of a sentence."""
    words = line.split()
    if len(words) == LINE_WORDS:
        raise ValueError("is a box, whose pixels are not known")
    if len(words) < LINE_WORDS + 2 or len(words) % 2 == 0:
        raise ValueError(f"has {len(words)} numbers: write class and x, y of at least three corners")
    try:
        numbers = np.array(words, np.float64)
    except ValueError:
        raise ValueError(f"is {line.strip()!r:.60}, which must be numbers") from None
    class_id = numbers[0]
    if not (0 <= class_id < MOST_CLASSES - 1 and class_id.is_integer()):
        raise ValueError(f"has the class {words[0]}, which must be a whole number from 0 to {MOST_CLASSES - 2}")
    if not (np.abs(numbers[1:]) <= 2).all():
        raise ValueError(f"is {line.strip()!r:.60}, but corners must be fractions of the image from 0 to 1")
    return int(class_id) + 1, fill_polygon(numbers[1:].reshape(-1, 2) * size_px, size_px)


FORMAT = DatasetFormat(
    name="yolo_masks",
    place="folder or data.yaml of YOLO with polygons (read only)",
    labels=frozenset(("mask",)),
    source=YoloMaskSource,
    sink=None,
)
