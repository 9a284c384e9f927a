"""Augmented manifests, with the metadata that Ground Truth writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vision.data.class_list import find_class_list
from vision.data.convert.format import Sink, Source, SourceOptions
from vision.data.convert.image_references import ADDRESS, ReferenceWriter
from vision.data.convert.manifest_label import LINE_KEYS, METADATA_KEYS, label_of, line_label, metadata_of
from vision.data.convert.neutral import AnnotatedImage, Plan, Task
from vision.data.convert.text_file import TextFile
from vision.data.left_out import LeftOut
from vision.data.readers.class_names import ClassNames
from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest import MAX_LINE_BYTES, decode_label, parse_line
from vision.data.readers.manifest_attributes import METADATA, check_attributes, infer_attributes
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

IMAGE_KEY, LABEL_KEYS = "source-ref", {"single": "class", "multi": "classes", "boxes": "bounding-box"}
CONFIDENCE = "confidence"


class ManifestSource(Source):
    """Lines of one manifest. Names are the union of all lines' maps; the first good line says what labels mean."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path, self._options = path, options
        self._root = options.root or path.parent
        self._keys: tuple[str, str] | None = None
        if options.attributes is not None:
            try:
                self._keys = check_attributes(options.attributes)
            except ValueError as error:
                raise DataError(str(path), str(error)) from None
        self._count = 0
        self.class_names = find_class_list(options.classes, path.parent, stated=self._survey())

    def __len__(self) -> int:
        return self._count

    def images(self, left_out: LeftOut) -> Iterator[AnnotatedImage]:
        references = ImageReferences(self._root)
        for key, text in self._lines():
            try:
                yield self._image(text, key, references)
            except ValueError as error:
                left_out.add(key, str(error))
            except DataError as error:
                left_out.add(error.key, error.reason)

    def _image(self, text: bytes, key: str, references: ImageReferences) -> AnnotatedImage:
        line = parse_line(text)
        assert self._keys is not None
        image_key, label_key = self._keys
        for needed in self._keys:
            if needed not in line:
                raise ValueError(f"has no key {needed!r}; its keys are {', '.join(line)[:200]}")
        reference = line[image_key]
        path = references.find(reference)
        metadata = line.get(label_key + METADATA)
        label = line_label(
            decode_label(line[label_key], label_key), metadata, self.task, self._options.label_format, key
        )
        extra = dict(label.extra)
        others = {name: value for name, value in line.items() if name.removesuffix(METADATA) not in self._keys}
        if others:
            extra[LINE_KEYS] = others
        if "://" in reference:
            extra[ADDRESS] = reference
        name = path if not path.startswith("/") else Path(path).name
        return AnnotatedImage(
            name, f"{key} ({name})", self._root / path, label.class_ids, label.objects, label.size_px, extra
        )

    def _survey(self) -> tuple[str, ...] | None:
        names = ClassNames()
        task: Task | None = None
        for key, text in self._lines():
            self._count += 1
            try:
                line = parse_line(text)
                self._keys = self._keys or infer_attributes(line)
                label_key = self._keys[1]
                value, metadata = decode_label(line.get(label_key), label_key), line.get(label_key + METADATA)
            except ValueError as error:
                if self._keys is None:
                    raise DataError(key, str(error)) from None
                continue
            task = task or ("boxes" if isinstance(value, dict) else "multi" if isinstance(value, list) else "single")
            _collect(names, value, metadata, key)
        if task is None:
            raise DataError(str(self._path), "has no line with a label; each must be one JSON object")
        self.task = task
        return names.names()

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        try:
            with open_regular(self._path) as file:
                for number, text in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
                    if text.strip():
                        yield f"{self._path.name} line {number}", text.removeprefix(b"\xef\xbb\xbf")
        except OSError as error:
            raise DataError(str(self._path), f"cannot be read ({error.strerror})") from None


class ManifestSink(Sink):
    """``output`` with the images beside it. A class that no image has is not named by any line."""

    TASKS = frozenset(("single", "multi", "boxes"))
    HOLDS = frozenset((CONFIDENCE, LINE_KEYS, METADATA_KEYS))

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
        self._file.close()

    def discard(self) -> None:
        self._file.discard()


def _collect(names: ClassNames, value: object, metadata: object, key: str) -> None:
    if not isinstance(metadata, Mapping):
        return
    class_map: Any = metadata.get("class-map")
    pairs = list(class_map.items()) if isinstance(class_map, Mapping) else []
    if isinstance(value, int) and value >= 0 and "class-name" in metadata:
        pairs.append((value, metadata["class-name"]))
    for class_id, name in pairs:
        problem = names.add(class_id, name, key)
        if problem:
            raise DataError(key, problem)


SOURCE, SINK = ManifestSource, ManifestSink
