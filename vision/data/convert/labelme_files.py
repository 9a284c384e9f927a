"""The files of LabelMe: a JSON file for each image, with the shapes drawn on it and the flags ticked for it.

Legend: P points of a shape; corners count in pixels of the upright image, where pixel 0 reaches from 0 to 1.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.convert.annotated_image import Box, ImageBytes, stated_size
from vision.data.convert.coco_segmentation import is_number
from vision.data.convert.dataset_folder import MAX_INSPECTED, entries, head
from vision.data.convert.image_finder import ImageFinder
from vision.data.image_codec import image_header
from vision.data.readers.file_table import file_size_px, is_image_name, walk_files
from vision.settings.errors import DataError, UserError
from vision.settings.strict_json import read_json

SUFFIX = ".json"
# Names of LabelMe's own for what is no class.
BACKGROUND, IGNORED_LABEL = "_background_", "__ignore__"
POLYGON, RECTANGLE, CIRCLE, MASK = "polygon", "rectangle", "circle", "mask"
# The shapes that have an area, and the least number of their points.
LEAST_POINTS = {POLYGON: 3, "oriented_rectangle": 3, RECTANGLE: 2, CIRCLE: 2, MASK: 2}
_CIRCLE_POINTS = 128


@dataclass
class Contents:
    """What all files of a folder hold: the labels by the kind of their shapes, and the names of the flags.

    ``most_ticked`` is the largest number of flags that are ticked for one image.
    """

    labels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    flags: set[str] = field(default_factory=set)
    most_ticked: int = 0


class LabelMeFolder:
    """The JSON files below ``path`` and their images, which lie where the files say, or below ``root``."""

    def __init__(self, path: Path, root: Path | None) -> None:
        self._path, self._root = os.path.abspath(path), os.path.abspath(root or path)
        self.files = [name for name in walk_files(path) if name.lower().endswith(SUFFIX)] if path.is_dir() else []
        if not self.files:
            raise UserError(f"{path} is not a folder with {SUFFIX} files, of which LabelMe writes one for each image.")
        self._finder = ImageFinder([root or path])

    def contents(self) -> Contents:
        """Return what the files hold; what is wrong with one is said when its image is read."""
        found = Contents()
        for file in self.files:
            try:
                document = self.read(file)
            except DataError:
                continue
            for shape in document["shapes"]:
                if isinstance(shape, Mapping) and isinstance(shape.get("label"), str):
                    found.labels[kind_of(shape)].add(shape["label"])
            ticked = ticked_flags(document)
            found.flags.update(ticked)
            found.most_ticked = max(found.most_ticked, sum(ticked.values()))
        return found

    def read(self, file: str) -> dict[str, Any]:
        """Return the JSON object of one file, which has a list of shapes. Raises DataError."""
        try:
            document = read_json(Path(self._path, file))
        except (OSError, ValueError) as error:
            raise DataError(file, f"cannot be read as JSON ({error})") from None
        if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
            raise DataError(file, "has no list 'shapes', which LabelMe's files have")
        return document

    def image(self, file: str, document: Mapping[str, Any]) -> tuple[str, ImageBytes, tuple[int, int]]:
        """Return the image of a file: its path in the data set, its file, and its (width, height) in pixels.

        If there is no such file, the image is what the JSON file itself holds of it. Raises DataError.
        """
        address = document.get("imagePath") or Path(file).stem
        try:
            name, path = self._finder.find(self._from_root(file, address), file)
        except DataError:
            if not document.get("imageData"):
                raise
            encoded = decoded(document["imageData"], file, "imageData")
            suffix = os.path.splitext(str(address))[1]
            name = os.path.splitext(file)[0] + (suffix if is_image_name(f"a{suffix}") else ".png")
            return name, memoryview(encoded), image_header(encoded, file).upright_size
        return name, path, file_size_px(path, file)

    def _from_root(self, file: str, address: object) -> object:
        """Return the path of an image below the root, where its path from the JSON file on leads there."""
        if not isinstance(address, str) or "\0" in address:
            return address
        place = os.path.normpath(os.path.join(self._path, os.path.dirname(file), address.replace("\\", "/")))
        inside = os.path.relpath(place, self._root)
        return address if inside.split("/")[0] == ".." else inside


def size_stated_in(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the (width, height) of the image in pixels that a file states."""
    return stated_size(document.get("imageWidth"), document.get("imageHeight"))


def ticked_flags(document: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether each flag of an image, or of a shape, is ticked."""
    flags = document.get("flags")
    return {str(name): value is True for name, value in flags.items()} if isinstance(flags, Mapping) else {}


def kind_of(shape: Mapping[str, Any]) -> str:
    """Return the kind of a shape; the oldest files do not state it."""
    return str(shape.get("shape_type") or POLYGON)


def points_of(shape: Mapping[str, Any]) -> np.ndarray:
    """Return the points of a shape with an area, float64 [P, 2]. Raises ValueError with the rest of a sentence."""
    kind, points = kind_of(shape), shape.get("points")
    if kind not in LEAST_POINTS:
        raise ValueError(f"is a {kind:.20}, which has no area: {', '.join(LEAST_POINTS)} are read")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in points
    ):
        raise ValueError("has points that are not a list of x, y")
    if len(points) < LEAST_POINTS[kind]:
        raise ValueError(f"has {len(points)} points, too few for a {kind}")
    return np.array(points, np.float64)


def box_around(shape: Mapping[str, Any]) -> Box:
    """Return the corners of the box around a shape. Raises ValueError with the rest of a sentence."""
    points, kind = points_of(shape), kind_of(shape)
    if kind == CIRCLE:
        (x, y), radius = points[0].tolist(), float(np.hypot(*(points[1] - points[0])))
        return x - radius, y - radius, x + radius, y + radius
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    # The second point of a mask is that of its last pixel.
    return (left, top, right + 1, bottom + 1) if kind == MASK else (left, top, right, bottom)


def outline_of(shape: Mapping[str, Any]) -> np.ndarray:
    """Return the corners of a shape that is no mask, float64 [P, 2]. Raises ValueError with the rest of a sentence.

    A rectangle has two opposite corners or all four, a circle its center and a point of its edge.
    """
    points, kind = points_of(shape), kind_of(shape)
    if kind == RECTANGLE:
        left, top, right, bottom = box_around(shape)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if kind == CIRCLE:
        angles = np.arange(_CIRCLE_POINTS) * 2 * np.pi / _CIRCLE_POINTS
        radius = np.hypot(*(points[1] - points[0]))
        return points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points


def shape_of(label: str, kind: str, points: list[list[int | float]], mask: str | None = None) -> dict[str, object]:
    """Return a shape as files have it, without anything that is not needed; ``mask`` is a PNG file in base64."""
    more: dict[str, object] = {"group_id": None, "description": "", "shape_type": kind, "flags": {}, "mask": mask}
    return {"label": label, "points": points, **more}


def decoded(text: object, key: str, what: str) -> bytes:
    """Return the bytes of a base64 text. Raises DataError under ``key``."""
    try:
        return base64.b64decode(text if isinstance(text, str) else "-", validate=True)
    except (binascii.Error, ValueError):
        raise DataError(key, f"has {what} that is not base64 text") from None


def _is_label_file(path: Path) -> bool:
    """Return whether the beginning of a file is that of LabelMe's."""
    begin = head(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    return begin.startswith(b"{") and b'"shapes"' in begin and b'"flags"' in begin


def recognize(path: Path) -> str | None:
    """Return the name of the file by which a folder shows that LabelMe's are in it; None if none does.

    Only its top counts: folders with images of one class each may hold such files beside the images, too.
    """
    names = [name for name in entries(path)[0] if name.lower().endswith(SUFFIX)][:MAX_INSPECTED]
    return next((name for name in names if _is_label_file(path / name)), None)
