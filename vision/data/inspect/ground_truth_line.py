"""Check one line of a Ground Truth manifest by the rules and error codes of Rekognition Custom Labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vision.data.readers.manifest_line import METADATA

CLASSIFICATION, LOCALIZATION = "groundtruth/image-classification", "groundtruth/object-detection"
IMAGE_LEVEL_LABELS, OBJECT_LOCALIZATION = "IMAGE_LEVEL_LABELS", "OBJECT_LOCALIZATION"
CLASS_METADATA = ("class-name", "confidence", "human-annotated", "creation-date")
MOST_BOXES, LONGEST_NAME, SHRUNK_PX = 50, 256, 1280
LEAST_SIDE_PX, MOST_SIDE_PX, MOST_ASPECT = 64, 4096, 20


class LineError(NamedTuple):
    """What is wrong with a line; ``place`` are the keys that lead to the part, none for the line as a whole."""

    code: str
    message: str
    place: tuple[str | int, ...] = ()

    @property
    def is_warning(self) -> bool:
        """Return whether the part is left out without counting as wrong."""
        return self.code.startswith("WARNING")


class LabeledBox(NamedTuple):
    """A box that can be used, in pixels of its image."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass
class LineCheck:
    """The result for one line: its errors, the image-level labels and boxes that can be used, and its use case."""

    errors: list[LineError] = field(default_factory=list)
    image_labels: list[str] = field(default_factory=list)
    boxes: list[LabeledBox] = field(default_factory=list)
    use_case: str | None = None

    @property
    def is_usable(self) -> bool:
        """Return whether the line can be used, perhaps without the parts that have errors of their own."""
        whole = any(not error.place and not error.is_warning for error in self.errors)
        return not whole and bool(self.image_labels or self.boxes)

    @property
    def is_ignored(self) -> bool:
        """Return whether nothing but warnings keeps the line from being used."""
        return not self.is_usable and all(error.is_warning for error in self.errors)

    def labels(self, use_case: str) -> list[str]:
        """Return the labels that count for a use case, each as often as it occurs."""
        return self.image_labels if use_case == IMAGE_LEVEL_LABELS else [box.label for box in self.boxes]

    def add(self, code: str, message: str, *place: str | int) -> None:
        """Add an error of the part at ``place``."""
        self.errors.append(LineError(code, message, place))

    def annotate(self, line: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        """Return the line with ``errors`` and ``warnings`` in the parts that have them; keys begin with ``prefix``."""
        annotated: dict[str, Any] = dict(line)
        for error in self.errors:
            part: Any = annotated
            # A list or a plain value can hold no error: the object around it does.
            holder = annotated
            for key in error.place:
                inner = part[key]
                if not isinstance(inner, Mapping | list):
                    break
                part[key] = inner = dict(inner) if isinstance(inner, Mapping) else list(inner)
                part = inner
                holder = part if isinstance(part, dict) else holder
            kind = f"{prefix}{'warnings' if error.is_warning else 'errors'}"
            holder[kind] = [*holder.get(kind, ()), {"code": error.code, "message": error.message}]
        return annotated


def check_line(line: Mapping[str, Any], size_px: tuple[int, int] | None, image_problem: str | None) -> LineCheck:
    """Check a parsed line. ``size_px`` is the image's (width, height), None with ``image_problem`` if unreadable."""
    found = LineCheck()
    reference = line.get("source-ref")
    if reference is None:
        found.add("ERROR_MISSING_SOURCE_REF", "the key source-ref is missing")
    elif not isinstance(reference, str) or not reference:
        found.add("ERROR_INVALID_SOURCE_REF_FORMAT", "source-ref must be the image's address as text")
    elif size_px is None:
        found.add("ERROR_INVALID_IMAGE", image_problem or "the image cannot be read")
    elif _is_bad_size(*size_px):
        allowed = f"{LEAST_SIDE_PX} to {MOST_SIDE_PX} pixels, at most {MOST_ASPECT} times as long as wide"
        found.add(
            "ERROR_INVALID_IMAGE_DIMENSION", f"the image has {size_px[0]}x{size_px[1]} pixels; allowed are {allowed}"
        )
    _check_attributes(line, size_px, found)
    return found


def _is_bad_size(width: int, height: int) -> bool:
    short, long = sorted((width, height))
    return short < LEAST_SIDE_PX or long > MOST_SIDE_PX or long > MOST_ASPECT * short


def _check_attributes(line: Mapping[str, Any], size_px: tuple[int, int] | None, found: LineCheck) -> None:
    keys = [key for key in line if key != "source-ref" and not key.endswith(METADATA)]
    described = [key for key in keys if key + METADATA in line]
    alone = [key for key in line if key.endswith(METADATA) and key.removesuffix(METADATA) not in line]
    if not keys and not alone:
        found.add("WARNING_UNANNOTATED_RECORD", "the line has no label")
        return
    if not described:
        names = ", ".join((*keys, *alone))[:100]
        found.add("ERROR_NO_LABEL_ATTRIBUTES", f"no key has its metadata beside it ({names})")
        return
    for key in described:
        _check_attribute(line[key], line[key + METADATA], key, size_px, found)
    if not found.image_labels and not found.boxes:
        if any(error.is_warning for error in found.errors):
            found.add("WARNING_NO_ANNOTATIONS", "the line has no boxes")
        else:
            found.add("ERROR_NO_VALID_LABEL_ATTRIBUTES", f"none of {', '.join(described)[:100]} can be used")


def _check_attribute(
    value: object, metadata: object, key: str, size_px: tuple[int, int] | None, found: LineCheck
) -> None:
    described = f"{key}{METADATA}"
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("type"), str):
        found.add(
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", f"{described} must be an object with a type", described
        )
    elif metadata["type"] == CLASSIFICATION:
        found.use_case = found.use_case or IMAGE_LEVEL_LABELS
        _check_class(value, metadata, key, found)
    elif metadata["type"] == LOCALIZATION:
        found.use_case = found.use_case or OBJECT_LOCALIZATION
        _check_boxes(value, metadata, key, size_px, found)
    else:
        kinds = f"{CLASSIFICATION} and {LOCALIZATION}"
        message = f"{key} has the type {metadata['type']!r:.80}; known are {kinds}"
        found.add("ERROR_UNSUPPORTED_USE_CASE_TYPE", message, described)


def _check_class(value: object, metadata: Mapping[str, Any], key: str, found: LineCheck) -> None:
    described = f"{key}{METADATA}"
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and value.isdigit())):
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", f"{key} must be a class number", key)
        return
    missing = [name for name in CLASS_METADATA if name not in metadata]
    if missing:
        what = f"{described} lacks {', '.join(missing)}"
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", what, described)
    elif _is_name(metadata["class-name"], key, found):
        found.image_labels.append(metadata["class-name"])


def _is_name(name: object, key: str, found: LineCheck) -> bool:
    if isinstance(name, str) and 1 <= len(name) <= LONGEST_NAME:
        return True
    message = f"{key} names a class {name!r:.40}; 1 to {LONGEST_NAME} letters are allowed"
    found.add("ERROR_INVALID_LABEL_NAME_LENGTH", message, f"{key}{METADATA}")
    return False


def _check_boxes(
    value: object, metadata: Mapping[str, Any], key: str, size_px: tuple[int, int] | None, found: LineCheck
) -> None:
    described = f"{key}{METADATA}"
    boxes = value.get("annotations") if isinstance(value, Mapping) else None
    if not isinstance(boxes, list) or not isinstance(value, Mapping) or "image_size" not in value:
        message = f"{key} must hold image_size and a list of annotations"
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", message, key)
        return
    names, objects = metadata.get("class-map"), metadata.get("objects")
    if not isinstance(names, Mapping) or not isinstance(objects, list):
        message = f"{described} needs class-map and objects"
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", message, described)
        return
    if not boxes:
        found.add("WARNING_NO_ATTRIBUTE_ANNOTATIONS", f"{key} has no boxes", key)
        return
    if len(boxes) > MOST_BOXES:
        message = f"{key} has {len(boxes)} boxes; {MOST_BOXES} are allowed"
        found.add("ERROR_TOO_MANY_BOUNDING_BOXES", message, key)
        return
    if len(objects) != len(boxes) or any(not isinstance(o, Mapping) or "confidence" not in o for o in objects):
        message = f"{described} needs a confidence for each box"
        found.add("ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", message, described)
        return
    before = len(found.boxes)
    for number, box in enumerate(boxes):
        _check_box(box, names, (key, number), size_px, found)
    if len(found.boxes) == before:
        found.add("ERROR_NO_VALID_ANNOTATIONS", f"not one box of {key} can be used", key)


def _check_box(
    box: object, names: Mapping[str, Any], at: tuple[str, int], size_px: tuple[int, int] | None, found: LineCheck
) -> None:
    (key, number), where = at, f"{at[0]} box {at[1]}"
    place = (key, "annotations", number)
    sides = [box.get(side) for side in ("left", "top", "width", "height")] if isinstance(box, Mapping) else []
    numbers = [side for side in sides if isinstance(side, int | float) and not isinstance(side, bool)]
    if not isinstance(box, Mapping) or len(numbers) != 4:
        found.add("ERROR_INVALID_BOUNDING_BOX", f"{where} needs left, top, width and height in pixels", *place)
        return
    left, top, width, height = numbers
    limit = size_px or (float("inf"), float("inf"))
    scale = min(1.0, SHRUNK_PX / max(limit)) if size_px else 1.0
    name = str(box.get("class_id"))
    if min(numbers) < 0 or left + width > limit[0] or top + height > limit[1]:
        found.add("ERROR_INVALID_BOUNDING_BOX", f"{where} is negative or leaves the image", *place)
    elif min(width, height) * scale <= 1:
        message = f"{where} has {width}x{height} pixels; more than 1x1 are needed"
        found.add("ERROR_BOUNDING_BOX_TOO_SMALL", message, *place)
    elif name not in names:
        message = f"{where} has the class {box.get('class_id')!r:.20}, not in the class-map"
        found.add("ERROR_MISSING_CLASS_MAP_ID", message, *place)
    elif _is_name(names[name], key, found):
        found.boxes.append(LabeledBox(names[name], left, top, width, height))
