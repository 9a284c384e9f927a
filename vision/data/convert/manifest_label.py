"""One line's label and metadata in a manifest, to the neutral form and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from vision.data.convert.neutral import TASK_NAMES, AnnotatedImage, AnnotatedObject, Plan, Task
from vision.data.convert.object_boxes import annotation_of, read_objects
from vision.settings.errors import DataError

# Keys of ``extra``: what else a line holds, and what else its label's metadata hold.
LINE_KEYS, METADATA_KEYS = "manifest.line", "manifest.metadata"
_TYPES: dict[Task, str] = {
    "single": "groundtruth/image-classification",
    "multi": "groundtruth/image-classification-multilabel",
    "boxes": "groundtruth/object-detection",
}
# The confidence that AWS's own conversions state for labels without one.
UNMEASURED = 1
_OWN_METADATA = ("class-map", "class-name", "objects", "type")


class LineLabel(NamedTuple):
    """What a line says about its image."""

    class_ids: tuple[int, ...] | None
    objects: tuple[AnnotatedObject, ...] | None
    size_px: tuple[int, int] | None
    extra: dict[str, Any]


def line_label(value: Any, metadata: object, task: Task, label_format: str | None, key: str) -> LineLabel:
    """The label of a line in a manifest of ``task``. Raises DataError.

    A list holds class ids where Ground Truth's metadata or ``label_format`` say so, else a 0/1 for each class.
    """
    described = metadata if isinstance(metadata, Mapping) else {}
    rest = {name: entry for name, entry in described.items() if name not in _OWN_METADATA}
    extra = {METADATA_KEYS: rest} if rest else {}
    if task == "boxes" and isinstance(value, dict):
        listed = described.get("objects")
        # The confidence of labels that no one measured is not kept.
        more = [
            {name: entry for name, entry in item.items() if (name, entry) != ("confidence", UNMEASURED)}
            for item in (listed if isinstance(listed, list) else ())
            if isinstance(item, Mapping)
        ]
        objects, size_px = read_objects(value, key, "", more)
        return LineLabel(None, objects, size_px, extra)
    if task == "multi" and isinstance(value, list):
        if label_format is None:
            label_format = "class-id" if described.get("type") == _TYPES["multi"] else "multi-hot"
        return LineLabel(_class_ids(value, label_format, key), None, None, extra)
    if task == "single" and isinstance(value, int):
        if value < 0:
            raise DataError(key, f"has the class {value}, which must be a number from 0")
        return LineLabel((value,), None, None, extra)
    raise DataError(key, f"has the label {value!r:.40}, where the first line has {TASK_NAMES[task]}")


def _class_ids(value: list[Any], label_format: str, key: str) -> tuple[int, ...]:
    whole = [item for item in value if isinstance(item, int) and not isinstance(item, bool) and item >= 0]
    if len(whole) != len(value) or (label_format == "multi-hot" and any(item > 1 for item in whole)):
        allowed = "0 or 1 for each class" if label_format == "multi-hot" else "class ids from 0"
        raise DataError(key, f"has the label {value!r:.60}, which must hold {allowed}; label_format={label_format}")
    if label_format == "class-id":
        return tuple(sorted(set(whole)))
    return tuple(class_id for class_id, present in enumerate(whole) if present)


def label_of(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> Any:
    """The label's JSON value. Several classes are written as Ground Truth does, as class ids."""
    if plan.task == "boxes":
        assert image.objects is not None
        return annotation_of(image.objects, size_px)
    assert image.class_ids is not None
    return image.class_ids[0] if plan.task == "single" else list(image.class_ids)


def metadata_of(image: AnnotatedImage, plan: Plan) -> dict[str, Any]:
    """The metadata beside the label, with the names of the classes that this line has."""
    metadata: dict[str, Any] = {
        "type": _TYPES[plan.task],
        "human-annotated": "yes",
        "creation-date": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
        "job-name": "vision-convert",
        **image.extra.get(METADATA_KEYS, {}),
    }
    if plan.task == "single":
        assert image.class_ids is not None
        return {"class-name": plan.class_names[image.class_ids[0]], "confidence": UNMEASURED, **metadata}
    objects = image.objects or ()
    ids = sorted({item.class_id for item in objects}) if plan.task == "boxes" else image.class_ids or ()
    metadata["class-map"] = {str(class_id): plan.class_names[class_id] for class_id in ids}
    if plan.task == "boxes":
        metadata["objects"] = [{"confidence": item.extra.get("confidence", UNMEASURED)} for item in objects]
    return metadata
