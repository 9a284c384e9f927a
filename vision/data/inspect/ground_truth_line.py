"""Check one line of a Ground Truth manifest by the rules and error codes of Rekognition Custom Labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vision.data.readers.manifest_line import METADATA

CLASSIFICATION, LOCALIZATION = "groundtruth/image-classification", "groundtruth/object-detection"
CLASS_METADATA = ("class-name", "confidence", "human-annotated", "creation-date")
MOST_BOXES, LONGEST_NAME, SHRUNK_PX = 50, 256, 1280
LEAST_SIDE_PX, MOST_SIDE_PX, MOST_ASPECT = 64, 4096, 20


@dataclass
class LineCheck:
    """The result for one line: error codes with messages, its label names and its use case."""

    errors: list[tuple[str, str]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    use_case: str | None = None

    @property
    def ignored(self) -> bool:
        """Return whether only warnings keep the line from being used."""
        return bool(self.errors) and all(code.startswith("WARNING") for code, _ in self.errors)

    @property
    def valid(self) -> bool:
        """Return whether the line can be used as it is."""
        return not self.errors

    def add(self, code: str, message: str) -> None:
        """Add an error code with its message."""
        self.errors.append((code, message))


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
        if alone:
            found.add("WARNING_NO_ATTRIBUTE_ANNOTATIONS", f"{alone[0]} stands without its label")
        else:
            found.add("ERROR_NO_LABEL_ATTRIBUTES", f"no key has its metadata beside it ({', '.join(keys)[:100]})")
        return
    before = len(found.errors)
    usable = [key for key in described if _check_attribute(line[key], line[key + METADATA], key, size_px, found)]
    if not usable and not any(code.startswith("WARNING") for code, _ in found.errors[before:]):
        found.add("ERROR_NO_VALID_LABEL_ATTRIBUTES", f"none of {', '.join(described)[:100]} can be used")


def _check_attribute(
    value: object, metadata: object, key: str, size_px: tuple[int, int] | None, found: LineCheck
) -> bool:
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("type"), str):
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", f"{key}{METADATA} must be an object with a type")
        return False
    if metadata["type"] == CLASSIFICATION:
        found.use_case = found.use_case or "IMAGE_LEVEL_LABELS"
        return _check_class(value, metadata, key, found)
    if metadata["type"] == LOCALIZATION:
        found.use_case = found.use_case or "OBJECT_LOCALIZATION"
        return _check_boxes(value, metadata, key, size_px, found)
    kinds = f"{CLASSIFICATION} and {LOCALIZATION}"
    found.add("ERROR_UNSUPPORTED_USE_CASE_TYPE", f"{key} has the type {metadata['type']!r:.80}; known are {kinds}")
    return False


def _check_class(value: object, metadata: Mapping[str, Any], key: str, found: LineCheck) -> bool:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and value.isdigit())):
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", f"{key} must be a class number")
        return False
    missing = [name for name in CLASS_METADATA if name not in metadata]
    if missing:
        what = f"{key}{METADATA} lacks {', '.join(missing)}"
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", what)
        return False
    return _check_name(metadata["class-name"], key, found)


def _check_name(name: object, key: str, found: LineCheck) -> bool:
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        found.add(
            "ERROR_INVALID_LABEL_NAME_LENGTH",
            f"{key} names a class {name!r:.40}; 1 to {LONGEST_NAME} letters are allowed",
        )
        return False
    found.labels.add(name)
    return True


def _check_boxes(
    value: object, metadata: Mapping[str, Any], key: str, size_px: tuple[int, int] | None, found: LineCheck
) -> bool:
    boxes = value.get("annotations") if isinstance(value, Mapping) else None
    if not isinstance(boxes, list) or not isinstance(value, Mapping) or "image_size" not in value:
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", f"{key} must hold image_size and a list of annotations")
        return False
    names, objects = metadata.get("class-map"), metadata.get("objects")
    if not isinstance(names, Mapping) or not isinstance(objects, list):
        found.add("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", f"{key}{METADATA} needs class-map and objects")
        return False
    if not boxes:
        found.add("WARNING_NO_ANNOTATIONS", f"{key} has no boxes")
        return False
    if len(boxes) > MOST_BOXES:
        found.add("ERROR_TOO_MANY_BOUNDING_BOXES", f"{key} has {len(boxes)} boxes; {MOST_BOXES} are allowed")
    if len(objects) != len(boxes) or any(not isinstance(o, Mapping) or "confidence" not in o for o in objects):
        found.add("ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", f"{key}{METADATA} needs a confidence for each box")
    valid = [_check_box(box, names, f"{key} box {number}", size_px, found) for number, box in enumerate(boxes)]
    if not any(valid):
        found.add("ERROR_NO_VALID_ANNOTATIONS", f"not one box of {key} can be used")
    return any(valid)


def _check_box(
    box: object, names: Mapping[str, Any], where: str, size_px: tuple[int, int] | None, found: LineCheck
) -> bool:
    sides = [box.get(side) for side in ("left", "top", "width", "height")] if isinstance(box, Mapping) else []
    numbers = [side for side in sides if isinstance(side, int | float) and not isinstance(side, bool)]
    if not isinstance(box, Mapping) or len(numbers) != 4:
        found.add("ERROR_INVALID_BOUNDING_BOX", f"{where} needs left, top, width and height in pixels")
        return False
    left, top, width, height = numbers
    limit = size_px or (float("inf"), float("inf"))
    if min(numbers) < 0 or left + width > limit[0] or top + height > limit[1]:
        found.add("ERROR_INVALID_BOUNDING_BOX", f"{where} is negative or leaves the image")
        return False
    scale = min(1.0, SHRUNK_PX / max(limit)) if size_px else 1.0
    if min(width, height) * scale <= 1:
        found.add("ERROR_BOUNDING_BOX_TOO_SMALL", f"{where} has {width}x{height} pixels; more than 1x1 are needed")
        return False
    if str(box.get("class_id")) not in names:
        found.add(
            "ERROR_MISSING_CLASS_MAP_ID", f"{where} has the class {box.get('class_id')!r:.20}, not in the class-map"
        )
        return False
    return _check_name(names[str(box.get("class_id"))], where, found)
