"""One line's label and metadata in a manifest, to the neutral form and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.object_boxes import annotation_of, read_objects
from vision.data.labels import TASK_NAMES, Task, read_class_ids, shown_label, task_of
from vision.data.readers.manifest_line import MULTI_LABEL, ManifestLine
from vision.settings.errors import DataError

# Keys of ``extra``: what else a line holds, and what else its label's metadata hold.
LINE_KEYS, METADATA_KEYS = "manifest.line", "manifest.metadata"
_TYPES: dict[Task, str] = {
    "single": "groundtruth/image-classification",
    "multi": MULTI_LABEL,
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


def line_label(line: ManifestLine, task: Task, key: str) -> LineLabel:
    """The label of a line in a manifest of ``task``. Raises DataError."""
    found = task_of(line.label)
    if found != task:
        raise DataError(key, f"has the label {shown_label(line.label)}, where the first line has {TASK_NAMES[task]}")
    rest = {name: entry for name, entry in line.metadata.items() if name not in _OWN_METADATA}
    extra = {METADATA_KEYS: rest} if rest else {}
    if not isinstance(line.label, Mapping):
        return LineLabel(read_class_ids(line.label, key), None, None, extra)
    listed = line.metadata.get("objects")
    # The confidence of labels that no one measured is not kept.
    more = [
        {name: entry for name, entry in item.items() if (name, entry) != ("confidence", UNMEASURED)}
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, Mapping)
    ]
    objects, size_px = read_objects(line.label, key, "", more)
    return LineLabel(None, objects, size_px, extra)


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
