"""Images with what a model saw in them, on the spot or in a corner."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from vision.algorithms.algorithm import Mark
from vision.data.image_codec import decode_rgb
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.reports.drawing import draw_box, draw_caption, font, jpeg_bytes
from vision.reports.formatting import short_label

# Dark enough for white letters, and far from each other.
COLORS = ("#dc2626", "#2563eb", "#15803d", "#a21caf", "#b45309", "#0e7490", "#4d7c0f", "#be185d")
# Larger pictures are shrunk: they are to be looked at.
LONGEST_SIDE_PX = 1600
# Of a label, in heights of its letters.
LINE_HEIGHT = 1.4


class MarkPainter:
    """Draws marks onto images. Equal names have one color in all of them."""

    def __init__(self) -> None:
        self._colors: dict[str, str] = {}

    def draw(self, image: np.ndarray, marks: Sequence[Mark]) -> Image.Image:
        """Return the picture of an image uint8 [H, W, 3] RGB, its longer side at most 1600 pixels."""
        regions = [mark for mark in marks if mark.mask is not None]
        picture = Image.fromarray(self._tint(image, regions) if regions else image)
        picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
        draw = ImageDraw.Draw(picture)
        line_px = _letters(draw).size * LINE_HEIGHT
        for row, mark in enumerate(regions):
            _plate(draw, (0.0, row * line_px), _text(mark), self._color(mark))
        # The most certain come last, so that they stay on top.
        for mark in reversed(marks):
            if mark.mask is None:
                self._mark(draw, mark)
        return picture

    def _tint(self, image: np.ndarray, regions: Sequence[Mark]) -> np.ndarray:
        """Return the image with the pixels of each mask half in its color."""
        tinted = image.copy()
        for mark in regions:
            half = np.array(ImageColor.getrgb(self._color(mark)), np.uint8) // 2
            tinted[mark.mask] = image[mark.mask] // 2 + half
        return tinted

    def _color(self, mark: Mark) -> str:
        if mark.color_number is not None:
            return COLORS[mark.color_number % len(COLORS)]
        return self._colors.setdefault(mark.names, COLORS[len(self._colors) % len(COLORS)])

    def _mark(self, draw: ImageDraw.ImageDraw, mark: Mark) -> None:
        if mark.box_xyxy_unit is None:
            self._caption(draw, (0.0, 0.0), f"{mark.names} {mark.note}".strip(), COLORS[0])
            return
        width, height = draw.im.size
        color = self._color(mark)
        corners = draw_box(draw, mark.box_xyxy_unit, color, line_px=max(2, round(max(width, height) / 300)))
        self._caption(draw, corners[:2], _text(mark), color)

    def _caption(self, draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, color: str) -> None:
        """A label that stands on the corner, or below it where there is no room above."""
        line_px = _letters(draw).size * LINE_HEIGHT
        top = corner[1] - line_px if corner[1] >= line_px else corner[1]
        _plate(draw, (corner[0], top), text, color)


class DrawnImages(MarkPainter):
    """A folder of JPEG files, one for each image, named after it. Raises UserError where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._names: set[str] = set()
        make_folder(folder)

    def add(self, key: str, encoded: bytes | memoryview, marks: Sequence[Mark]) -> Path:
        """Draw marks onto their image, and write the picture."""
        picture = self.draw(decode_rgb(encoded, key), marks)
        path = self.folder / self._name(key)
        write_whole(path, jpeg_bytes(picture, quality=92), durable=False)
        return path

    def _name(self, key: str) -> str:
        """A file name of plain characters, different for each image."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", re.split(r"[\\/]", key)[-1]).strip("._")[:100] or "image"
        name, number = f"{stem}.jpg", 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}.jpg"
        self._names.add(name)
        return name


def _letters(draw: ImageDraw.ImageDraw) -> ImageFont.FreeTypeFont:
    return font(max(11, round(max(draw.im.size) / 55)))


def _plate(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, color: str) -> None:
    """Draw a label whose upper left corner is ``place``."""
    letters = _letters(draw)
    line_px = letters.size * LINE_HEIGHT
    draw_caption(draw, place, text, letters, height_px=line_px, inset_px=line_px * 0.1, plate=color, ink="white")


def _text(mark: Mark) -> str:
    return f"{short_label(mark.names)} {mark.note}".strip()
