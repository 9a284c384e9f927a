"""Augmented manifests, with the metadata that Ground Truth writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.label_forms import annotation_of, read_objects
from vision.data.convert.output_files import ADDRESS, ReferenceWriter, TextFile
from vision.data.labels import TASK_NAMES, Task, read_class_ids, shown_label, task_of
from vision.data.readers.class_names import ClassNames
from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest_line import METADATA, MULTI_LABEL, LineReader, ManifestLine, iter_lines
from vision.data.skipped import Skipped
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

IMAGE_KEY = "source-ref"
LABEL_KEYS: dict[Task, str] = {"single": "class", "multi": "classes", "boxes": "bounding-box"}
CONFIDENCE = "confidence"
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


class ManifestSource(Source):
    """Reads one manifest. Class names are joined from all lines; the first valid line decides what labels mean."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._root = options.root or path.parent
        self._text = SteadyFile(path, str(path))
        self._lines = LineReader(str(path), options.attributes, options.label_format)
        self._count = 0
        self.class_names = find_class_list(
            options.classes, path.parent, stated=self._survey().names(), stated_by=path.name
        )

    def __len__(self) -> int:
        return self._count

    @property
    def remarks(self) -> tuple[str, ...]:
        return () if self._lines.remark is None else (f"{self._path.name}: {self._lines.remark}",)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        references = ImageReferences(self._root)
        for raw in iter_lines(self._text):
            key = self._key(raw.number)
            try:
                yield self._image(self._lines.read(raw), key, references)
            except ValueError as error:
                skipped.add(key, str(error))
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, line: ManifestLine, key: str, references: ImageReferences) -> AnnotatedImage:
        path = references.find(line.reference)
        label = line_label(line, self.task, key)
        extra = dict(label.extra)
        if line.others:
            extra[LINE_KEYS] = line.others
        if "://" in str(line.reference):
            extra[ADDRESS] = line.reference
        name = path if not path.startswith("/") else Path(path).name
        return AnnotatedImage(
            name, f"{key} ({name})", self._root / path, label.class_ids, label.objects, label.size_px, extra
        )

    def _survey(self) -> ClassNames:
        names = ClassNames()
        tasks: list[Task] = []
        for raw in iter_lines(self._text):
            self._count += 1
            try:
                line = self._lines.read(raw)
            except ValueError as error:
                if self._lines.keys is None:
                    raise DataError(self._key(raw.number), str(error)) from None
                continue
            if self._lines.labels_are_files:
                raise DataError(str(self._path), "labels pixels by image files: it is of the format manifest_masks")
            task = task_of(line.label)
            tasks += [task] if task and not tasks else []
            for class_id, name in line.names():
                problem = names.add(class_id, name, self._key(raw.number))
                if problem:
                    raise DataError(self._key(raw.number), problem)
        if not tasks:
            raise DataError(str(self._path), "has no line with a label; each must be one JSON object")
        self.task = tasks[0]
        return names

    def _key(self, number: int) -> str:
        return f"{self._path.name} line {number}"


class ManifestSink(Sink):
    """Writes a manifest and the images beside it. A class without images is not named in it."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._keep = plan, images == "keep"
        self._label_key = LABEL_KEYS[plan.task]
        self._file = TextFile(output)
        self._references = ReferenceWriter(output.parent, images)

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        reference = self._references.place(image, encoded)
        if self._keep:
            reference = image.extra.get(ADDRESS, reference)
        line = {
            **image.extra.get(LINE_KEYS, {}),
            IMAGE_KEY: reference,
            self._label_key: label_of(image, size_px, self._plan),
            self._label_key + METADATA: metadata_of(image, self._plan),
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._references.check()
        self._file.close()

    def discard(self) -> None:
        self._file.discard()


class LineLabel(NamedTuple):
    """The label of one line: either ``class_ids`` or ``objects`` with the stated size."""

    class_ids: tuple[int, ...] | None
    objects: tuple[AnnotatedObject, ...] | None
    size_px: tuple[int, int] | None
    extra: dict[str, Any]


def line_label(line: ManifestLine, task: Task, key: str) -> LineLabel:
    """Return the label of a line in a manifest of ``task``. Raises DataError."""
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


def label_of(image: AnnotatedImage, size_px: tuple[int, int], plan: Plan) -> object:
    """Return the label's JSON value. Several classes are a list of class ids, as Ground Truth writes them."""
    if plan.task == "boxes":
        assert image.objects is not None
        return annotation_of(image.objects, size_px)
    assert image.class_ids is not None
    return image.class_ids[0] if plan.task == "single" else list(image.class_ids)


def metadata_of(image: AnnotatedImage, plan: Plan) -> dict[str, Any]:
    """Return the metadata of the label, with the names of the classes in this line."""
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


FORMAT = DatasetFormat(
    name="manifest",
    place="FILE.manifest or FILE.jsonl",
    labels=frozenset(LABEL_KEYS),
    source=ManifestSource,
    sink=ManifestSink,
    suffixes=(".manifest", ".jsonl"),
    kept=frozenset((CONFIDENCE, LINE_KEYS, METADATA_KEYS)),
    keeps_unused_classes=False,
)
