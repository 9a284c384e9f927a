"""Masks whose classes are told by color, such as those of Ground Truth, and the lists that name the colors.

Ground Truth states an "internal-color-map" with each mask. Its palette indices are not to be trusted: brushes leave
hundreds of indices of one color that differ in transparency alone.

Legend: H and W are the mask's size in pixels, P a number of colors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.data.masks.mask_png import IGNORED, MaskImage
from vision.settings.errors import DataError
from vision.settings.strict_json import parse_json

BACKGROUND = "BACKGROUND"
# The largest difference in any channel at which a color still counts as a listed one.
NEAR = 10
_OPAQUE = 128
_WHITE = (255, 255, 255)
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_NAME_FIRST = re.compile(r"(.+?)[:,;\s]\s*(\d+)[,;\s]\s*(\d+)[,;\s]\s*(\d+)\s*(?:[:,;].*)?")
_NAME_LAST = re.compile(r"(\d+)[,;\s]\s*(\d+)[,;\s]\s*(\d+)[,;\s]\s*(.+)")

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ColorMap:
    """``class_names`` in the order of their ids, and ``entries`` of an RGB color and its class id.

    A class may have several colors. Transparent pixels are class 0. ``adds_background``: the source listed no
    background, so that class 0 was put before its classes.
    """

    class_names: tuple[str, ...]
    entries: tuple[tuple[Color, int], ...]
    adds_background: bool = False

    def classify(self, mask: MaskImage) -> np.ndarray:
        """Return the class ids of a mask, uint8 [H, W], IGNORED where a color is near none of the list."""
        if mask.palette is not None:
            return cv2.LUT(mask.pixels, self.classes_of(mask.palette))
        pixels = np.ascontiguousarray(_rgba(mask.pixels)).view("<u4")[..., 0]
        ids = np.full(pixels.shape, IGNORED, np.uint8)
        rest = np.ones(pixels.shape, bool)
        # Exact colors first: they are nearly all pixels, and sorting those takes many times as long.
        for (red, green, blue), class_id in self.entries:
            same = pixels == (red | green << 8 | blue << 16 | 255 << 24)
            ids[same] = class_id
            rest &= ~same
        found, places = np.unique(pixels[rest], return_inverse=True)
        ids[rest] = self.classes_of(found.view(np.uint8).reshape(-1, 4))[places]
        return ids

    def classes_of(self, colors: np.ndarray) -> np.ndarray:
        """Return the class ids, uint8 [P], of colors uint8 [P, 4] RGBA."""
        listed = np.array([color for color, _ in self.entries], np.int16)
        ids = np.array([class_id for _, class_id in self.entries], np.uint8)
        differences = np.abs(colors[:, None, :3].astype(np.int16) - listed).max(2)
        nearest = differences.argmin(1)
        classes = np.where(differences.min(1) <= NEAR, ids[nearest], np.uint8(IGNORED))
        return np.where(colors[:, 3] < _OPAQUE, np.uint8(0), classes).astype(np.uint8)

    def numbered(self, class_names: Sequence[str], key: str) -> ColorMap:
        """Return the same colors with the class ids of ``class_names``. Raises DataError for a class that they lack.

        A background that was added is theirs of class 0.
        """
        own = (class_names[0], *self.class_names[1:]) if self.adds_background else self.class_names
        unknown = [name for name in own if name not in class_names]
        if unknown:
            raise DataError(key, f"has masks of {unknown[0]!r:.40}, but the classes are {', '.join(class_names)[:200]}")
        entries = tuple((color, list(class_names).index(own[class_id])) for color, class_id in self.entries)
        return ColorMap(tuple(class_names), entries, self.adds_background)

    def class_colors(self) -> np.ndarray:
        """Return the first color of each class, uint8 [number of classes, 3] RGB; white for an added background."""
        colors = np.full((len(self.class_names), 3), 255, np.uint8)
        for color, class_id in reversed(self.entries):
            colors[class_id] = color
        return colors


def join_color_maps(stated: Iterable[object], key: str) -> ColorMap:
    """Return the union of the "internal-color-map" objects of a manifest's lines. Raises DataError under ``key``.

    BACKGROUND is class 0, or a background that is added; the other classes follow in the order of their keys.
    """
    # Lines repeat one map; each is looked at once.
    seen: dict[str, object] = {}
    for one in stated:
        seen.setdefault(repr(one), one)
    found: dict[str, tuple[tuple[int, str], list[Color]]] = {}
    for one in seen.values():
        if not isinstance(one, Mapping):
            raise DataError(key, f"has the internal-color-map {one!r:.60}, which must be a JSON object")
        for value, entry in one.items():
            name, color = _entry(value, entry, key)
            colors = found.setdefault(name, (_order(value), []))[1]
            if color not in colors:
                colors.append(color)
    if not found:
        raise DataError(key, "has no internal-color-map that names a class")
    background = next((name for name in found if name.upper() == BACKGROUND), None)
    names = sorted((name for name in found if name != background), key=lambda name: found[name][0])
    colors_by_name = {name: colors for name, (_, colors) in found.items()}
    if background is None:
        listed = {color for colors in colors_by_name.values() for color in colors}
        colors_by_name[BACKGROUND.lower()] = [] if _WHITE in listed else [_WHITE]
    names.insert(0, background or BACKGROUND.lower())
    return _color_map([(name, colors_by_name[name]) for name in names], key, adds_background=background is None)


def read_color_list(path: Path) -> ColorMap:
    """Read a list of classes and colors, in the order of the class ids. Raises DataError.

    JSON: {"name": "#rrggbb" or [r, g, b]}, or an internal-color-map. Text: lines "name,r,g,b", "name:r,g,b" (CVAT's
    labelmap.txt), "r,g,b,name" or "name #rrggbb"; a line without a color is skipped if it is the first or a comment.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"cannot be read as text ({error})") from None
    if text.lstrip().startswith("{"):
        try:
            raw = parse_json(text.encode())
        except ValueError as error:
            raise DataError(str(path), f"is {error}") from None
        return _from_json(raw, str(path))
    listed: list[tuple[str, list[Color]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or (line.lstrip().startswith("#") and not _HEX.fullmatch(line.split()[0])):
            continue
        found = _text_entry(line.strip())
        if found is not None:
            listed.append((found[0], [found[1]]))
        elif number > 1:
            raise DataError(str(path), f"line {number} is {line!r:.60}, but must be like road,128,64,128")
    return _color_map(listed, str(path))


def _from_json(raw: Any, key: str) -> ColorMap:
    if all(isinstance(entry, Mapping) for entry in raw.values()):
        return join_color_maps([raw], key)
    listed: list[tuple[str, list[Color]]] = []
    for name, value in raw.items():
        color = _color(value)
        if color is None:
            raise DataError(key, f"has {value!r:.40} as color of {name!r:.40}: give #rrggbb or [r, g, b]")
        listed.append((str(name), [color]))
    return _color_map(listed, key)


def _color_map(listed: Sequence[tuple[str, list[Color]]], key: str, *, adds_background: bool = False) -> ColorMap:
    owner: dict[Color, int] = {}
    for class_id, (name, colors) in enumerate(listed):
        for color in colors:
            other = owner.setdefault(color, class_id)
            if other != class_id:
                hexed = "#{:02x}{:02x}{:02x}".format(*color)
                raise DataError(key, f"gives the color {hexed} to both {listed[other][0]!r:.40} and {name!r:.40}")
    if not owner:
        raise DataError(key, "names no color")
    return ColorMap(tuple(name for name, _ in listed), tuple(owner.items()), adds_background)


def _entry(value: object, entry: object, key: str) -> tuple[str, Color]:
    name = entry.get("class-name") if isinstance(entry, Mapping) else None
    color = _color(entry.get("hex-color")) if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or color is None:
        raise DataError(
            key,
            f"has the internal-color-map entry {value!r:.20}: {entry!r:.60}, which must be like "
            '{"class-name": "road", "hex-color": "#804080"}',
        )
    return name, color


def _order(value: object) -> tuple[int, str]:
    """Sort keys of a color map that are numbers by value, all others behind them."""
    text = str(value)
    return (int(text), "") if text.isdecimal() else (1 << 30, text)


def _text_entry(line: str) -> tuple[str, Color] | None:
    for pattern, numbers, name in ((_NAME_LAST, (1, 2, 3), 4), (_NAME_FIRST, (2, 3, 4), 1)):
        match = pattern.fullmatch(line)
        color = _color([int(match[number]) for number in numbers]) if match else None
        if match and color is not None:
            return match[name].strip(), color
    name_text, _, hexed = line.replace(",", " ").rpartition(" ")
    color = _color(hexed)
    return (name_text.strip(), color) if name_text and color is not None else None


def _color(value: object) -> Color | None:
    if isinstance(value, str):
        match = _HEX.fullmatch(value.strip())
        return None if match is None else _rgb(bytes.fromhex(match[1]))
    if isinstance(value, Sequence) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        return _rgb(value)
    return None


def _rgb(value: Sequence[int]) -> Color:
    red, green, blue = value
    return red, green, blue


def _rgba(pixels: np.ndarray) -> np.ndarray:
    """Return grey levels or colors as uint8 [H, W, 4]."""
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8), cv2.COLOR_GRAY2RGBA)
    return pixels if pixels.shape[2] == 4 else cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
