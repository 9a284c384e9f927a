"""LabelMe: a JSON file beside each image, with polygons, rectangles and circles and the name of each one's class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.coco_segmentation import is_number
from vision.data.convert.dataset_folder import entries
from vision.data.convert.format import DatasetFormat, Source, SourceOptions
from vision.data.convert.image_finder import ImageFinder
from vision.data.convert.masks import masked_image, with_background
from vision.data.labels import Task
from vision.data.masks.mask_png import IGNORED
from vision.data.masks.rasterize import fill_polygon, paint_objects
from vision.data.readers.file_table import file_size_px
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError
from vision.settings.strict_json import read_json

# LabelMe's own names for what is no class.
_BACKGROUND, _IGNORED = "_background_", "__ignore__"
_SHAPES = ("polygon", "rectangle", "circle")
_CIRCLE_POINTS = 128


class LabelMeSource(Source):
    """Reads the JSON files of a folder: class 0 is the background, the labels follow sorted, or as ``classes`` says.

    Small shapes cover large ones. Shapes without an area, such as points and lines, are left out.
    """

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._files = [name for name in entries(path)[0] if name.lower().endswith(".json")]
        if not self._files:
            raise UserError(f"{path} holds no .json files, of which LabelMe has one for each image.")
        self._finder = ImageFinder([options.root or path])
        listed = find_class_list(options.classes, path)
        if listed is None:
            labels = {label for file in self._files for label in self._labels(file)} - {_BACKGROUND, _IGNORED}
            listed = with_background(sorted(labels), path)
        self.class_names = listed
        self._names = ", ".join(listed)[:200]
        self._class_of = {name: class_id for class_id, name in enumerate(listed)}
        self._class_of |= {_BACKGROUND: 0, _IGNORED: IGNORED}

    def __len__(self) -> int:
        return len(self._files)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for file in self._files:
            try:
                document = self._read(file)
                name, path = self._finder.find(document.get("imagePath") or Path(file).stem, file)
                size_px = file_size_px(path, file)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            objects: list[tuple[int, np.ndarray]] = []
            for number, shape in enumerate(document["shapes"]):
                try:
                    objects.append(self._object(shape, size_px))
                except ValueError as problem:
                    skipped.add(f"{file} shape {number}", str(problem))
            yield masked_image(name, f"{file} ({name})", path, paint_objects(objects, size_px))

    def _object(self, shape: Any, size_px: tuple[int, int]) -> tuple[int, np.ndarray]:
        """Return class id and pixels bool [H, W] of one shape. Raises ValueError with the rest of a sentence."""
        if not isinstance(shape, Mapping) or str(shape.get("label")) not in self._class_of:
            label = shape.get("label") if isinstance(shape, Mapping) else shape
            raise ValueError(f"has the label {label!r:.60}, which is none of {self._names}")
        kind, points = shape.get("shape_type") or "polygon", shape.get("points")
        if kind not in _SHAPES:
            raise ValueError(f"is a {kind!s:.20}, which has no area: {', '.join(_SHAPES)} are read")
        if not isinstance(points, list) or not all(
            isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in points
        ):
            raise ValueError("has points that are not a list of x, y")
        if len(points) < (3 if kind == "polygon" else 2):
            raise ValueError(f"has {len(points)} points, too few for a {kind}")
        return self._class_of[shape["label"]], fill_polygon(_outline(kind, np.array(points, np.float64)), size_px)

    def _labels(self, file: str) -> set[str]:
        """Return the labels of one file; what is wrong with it is said when its image is read."""
        try:
            shapes = self._read(file)["shapes"]
        except DataError:
            return set()
        return {
            shape["label"] for shape in shapes if isinstance(shape, Mapping) and isinstance(shape.get("label"), str)
        }

    def _read(self, file: str) -> dict[str, Any]:
        try:
            document = read_json(self._path / file)
        except (OSError, ValueError) as error:
            raise DataError(file, f"cannot be read as JSON ({error})") from None
        if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
            raise DataError(file, "has no list 'shapes', which LabelMe's files have")
        return document


def _outline(kind: str, points: np.ndarray) -> np.ndarray:
    """Return the corners of a shape, float64 [P, 2]: a rectangle has two points, a circle its center and its edge."""
    if kind == "polygon":
        return points
    (x0, y0), (x1, y1) = points[:2]
    if kind == "rectangle":
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    angles = np.arange(_CIRCLE_POINTS) * 2 * np.pi / _CIRCLE_POINTS
    return points[0] + np.hypot(x1 - x0, y1 - y0) * np.stack([np.cos(angles), np.sin(angles)], axis=1)


FORMAT = DatasetFormat(
    name="labelme_masks",
    place="folder of LabelMe: images and a .json file for each (read only)",
    labels=frozenset(("mask",)),
    source=LabelMeSource,
    sink=None,
)
