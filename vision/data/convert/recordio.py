"""MXNet RecordIO: images with their labels in one .rec file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.label_forms import COLUMNS, HEADER, first_task, read_vector, vector_of
from vision.data.convert.lst import list_line
from vision.data.convert.output_files import ID, Numbering, TextFile
from vision.data.image_codec import image_size
from vision.data.image_header import BadHeaderError, read_header
from vision.data.readers.image_list import parse_list_line
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack, unpack
from vision.data.recordio.writer import RecordIOWriter
from vision.data.skipped import Skipped
from vision.settings.errors import DataError
from vision.settings.file_names import line_problem, shown_name
from vision.settings.regular_file import open_regular_text

_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "WebP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIC": ".heic",
}


class RecordIOSource(Source):
    """Reads a .rec file. A .lst of the same name beside it gives the images their names."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._reader = RecordIOReader([path])
        self._names = _listed_names(path.with_suffix(".lst"))
        self.class_names = find_class_list(options.classes, path.parent)
        found = first_task(self._labels())
        if found is None:
            raise DataError(str(path), "has no record with a label that is a class, 0/1 columns or boxes")
        self.task, self.least_classes = found

    def __len__(self) -> int:
        return len(self._reader)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        used: set[str] = set()
        for index in range(len(self._reader)):
            try:
                image = self._image(index)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            if image.name in used:
                image = self._image(index, f"record{index:08d}")
            used.add(image.name)
            yield image

    def _labels(self) -> Iterator[np.ndarray]:
        """Yield the labels of the records that can be read."""
        for index in range(len(self._reader)):
            try:
                yield self._reader.target(index)
            except DataError:
                continue

    def _image(self, index: int, stem: str | None = None) -> AnnotatedImage:
        key = self._reader.key(index)
        record = unpack(self._reader.payload(index), key)
        labels = np.atleast_1d(np.asarray(record.label, np.float32))
        size_px = image_size(record.encoded, key) if self.task == "boxes" else None
        class_ids, objects, extra = read_vector(labels, self.task, size_px, key)
        name = self._names.get(record.record_id) if stem is None else None
        if name is None:
            name = f"{stem or f'{record.record_id:08d}'}{_suffix_of(record.encoded)}"
        return AnnotatedImage(name, key, record.encoded, class_ids, objects, size_px, {ID: record.record_id, **extra})


class RecordIOSink(Sink):
    """Writes .rec and .idx, and a .lst beside them that keeps the images' names."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._numbering = plan, Numbering()
        self._records = RecordIOWriter(output)
        self._list = TextFile(output.with_suffix(".lst"))

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        problem = line_problem(image.name)
        if problem:
            raise DataError(image.key, f"name {shown_name(image.name)} {problem}")
        record_id = self._numbering.id_of(image)
        label = vector_of(image, size_px, self._plan)
        self._records.write(record_id, pack(label, record_id, encoded))
        self._list.write(list_line(record_id, label, image.name))

    def close(self) -> None:
        self._records.close()
        self._list.close()

    def discard(self) -> None:
        self._records.discard()
        self._list.discard()


def _suffix_of(encoded: bytes | memoryview) -> str:
    """Return the file name suffix for an encoded image; ``.bin`` if it is not one."""
    try:
        header = read_header(encoded)
    except BadHeaderError:
        header = None
    return ".bin" if header is None else _SUFFIXES[header.format]


def _listed_names(lst: Path) -> dict[int, str]:
    """Return names by id; empty where the list is missing or cannot be read."""
    if not lst.is_file():
        return {}
    names: dict[int, str] = {}
    try:
        with open_regular_text(lst, newline="\n") as file:
            for line in file:
                if line.strip():
                    index, _, name = parse_list_line(line)
                    names[index] = name
    except (ValueError, OSError):
        return {}
    return names


FORMAT = DatasetFormat(
    name="recordio",
    place="FILE.rec",
    labels=frozenset(("single", "multi", "boxes")),
    source=RecordIOSource,
    sink=RecordIOSink,
    suffixes=(".rec",),
    kept=frozenset((ID, HEADER, COLUMNS)),
    keeps_difficult=True,
)
