"""Label maps: which class each pixel value of a mask stands for.

SageMaker's semantic segmentation reads one JSON file for each channel: {"scale": 3} divides values, and
{"map": {"0": 5, "1": [0, 7]}} gives for each class (the key) its value in the file. Lists of values and "default" are
ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from vision.data.masks.mask_png import IGNORED
from vision.settings.errors import DataError
from vision.settings.strict_json import parse_json

SUFFIX = "_label_map.json"
MOST_CLASSES = 254
NO_CLASS = -1
_FORMS = 'give {"scale": 1}, or {"map": {"0": 0, "1": 255}}, where each key is a class and its value the pixel value'


@dataclass(frozen=True, eq=False)
class LabelMap:
    """``stated`` is the JSON object as it was given; ``class_by_value`` int16 [256] has NO_CLASS where it names none.

    255 stands for ignored pixels, on both sides, unless the map names it.
    """

    stated: Mapping[str, object]
    class_by_value: np.ndarray

    @property
    def is_identity(self) -> bool:
        """Whether every value is its own class."""
        return bool((self.class_by_value == np.arange(256)).all())

    def __reduce__(self) -> tuple[type[LabelMap], tuple[dict[str, object], np.ndarray]]:
        # Read-only mappings cannot be pickled.
        return type(self), (dict(self.stated), self.class_by_value)


PLAIN = LabelMap(MappingProxyType({"scale": 1}), np.arange(256, dtype=np.int16))


def read_label_map(folder: Path | None, channel: str, num_classes: int) -> LabelMap:
    """Return the map of ``channel`` in the folder of channel ``label_map``, PLAIN if there is none.

    Raises DataError naming the file, or the folder if it has no map for any channel.
    """
    if folder is None:
        return PLAIN
    path = folder / f"{channel}{SUFFIX}"
    if not path.is_file():
        if not any(folder.glob(f"*{SUFFIX}")):
            raise DataError(
                str(folder),
                f"is no folder with label maps; give channel label_map a folder with train{SUFFIX} and"
                f" validation{SUFFIX}",
            )
        return PLAIN
    try:
        raw = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"is {error}; {_FORMS}") from None
    return parse_label_map(raw, str(path), num_classes)


def parse_label_map(raw: object, key: str, num_classes: int) -> LabelMap:
    """Read the JSON object of a label map for classes 0 to ``num_classes`` - 1. Raises DataError under ``key``."""
    if not isinstance(raw, Mapping) or len({"scale", "map"} & set(raw)) != 1:
        raise DataError(key, f"is no label map: {_FORMS}")
    allowed = {"scale"} if "scale" in raw else {"map", "default"}
    unknown = sorted(set(raw) - allowed)
    if unknown:
        raise DataError(key, f"has the unknown key {unknown[0]!r:.40}: {_FORMS}")
    if "scale" in raw:
        return LabelMap(dict(raw), _scaled(raw["scale"], key))
    classes = np.full(256, NO_CLASS, np.int16)
    classes[IGNORED] = IGNORED
    if "default" in raw:
        if _whole(raw["default"]) != IGNORED:
            raise DataError(key, f'has "default": {raw["default"]!r:.20}, which must be 255: ignore all other values')
        classes[:] = IGNORED
    _apply(raw["map"], classes, key, num_classes)
    return LabelMap(dict(raw), classes)


def _scaled(scale: object, key: str) -> np.ndarray:
    try:
        divisor = float(scale) if isinstance(scale, str | int | float) and not isinstance(scale, bool) else 0.0
    except ValueError:
        divisor = 0.0
    if not 1 <= divisor <= 255:
        raise DataError(key, f"has the scale {scale!r:.40}, which must be a number from 1 to 255")
    classes = np.floor(np.arange(256) / divisor).astype(np.int16)
    classes[IGNORED] = IGNORED
    return classes


def _apply(stated: object, classes: np.ndarray, key: str, num_classes: int) -> None:
    if not isinstance(stated, Mapping) or not stated:
        raise DataError(key, f'has a "map" that is no JSON object with classes: {_FORMS}')
    owner: dict[int, int] = {}
    for name, held in stated.items():
        class_id = _whole(name)
        if class_id is None or not (0 <= class_id < num_classes or class_id == IGNORED):
            raise DataError(key, f"has the class {name!r:.20}, but {_allowed(num_classes)}{_reversed(stated)}")
        for value in held if isinstance(held, list) else [held]:
            pixel = _whole(value)
            if pixel is None or not 0 <= pixel <= 255:
                raise DataError(key, f"has {value!r:.20} as pixel value of class {name}, which must be 0 to 255")
            if owner.setdefault(pixel, class_id) != class_id:
                raise DataError(key, f"gives the pixel value {pixel} to the classes {owner[pixel]} and {class_id}")
            classes[pixel] = class_id


def _allowed(num_classes: int) -> str:
    return f"with num_classes={num_classes} classes are 0 to {num_classes - 1} (and 255 for ignored pixels)"


def _reversed(stated: Mapping[object, object]) -> str:
    """Return a hint where the values would do as classes."""
    if any(_whole(word) is None for word in (*stated, *stated.values())):
        return ""
    turned = ", ".join(f'"{value}": {name}' for name, value in list(stated.items())[:4])
    return f'; the key is the class and the value the pixel, so perhaps {{"map": {{{turned}}}}} is meant'


def _whole(value: object) -> int | None:
    """Return a whole number that may be written as text, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
