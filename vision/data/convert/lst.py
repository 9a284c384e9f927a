"""Images named by a .lst file: one line an image, labels in columns, as im2rec writes and reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.image_finder import find_image
from vision.data.convert.label_forms import COLUMNS, HEADER, first_task, read_vector, vector_of
from vision.data.convert.output_files import ID, Numbering, ReferenceWriter, TextFile
from vision.data.readers.file_table import file_size_px
from vision.data.readers.image_list import parse_list_line
from vision.data.skipped import Skipped
from vision.settings.errors import DataError
from vision.settings.file_names import line_problem, shown_name
from vision.settings.regular_file import open_regular_text


class LstSource(Source):
    """Reads a list whose paths begin at ``root`` or its own folder. The first valid line decides what labels mean."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._roots = [options.root] if options.root else [path.parent]
        self.class_names = find_class_list(options.classes, path.parent)
        self._count = sum(1 for _ in self._lines())
        found = first_task(self._labels())
        if found is None:
            raise DataError(str(path), "has no line with a label that is a class, 0/1 columns or boxes")
        self.task, self.least_classes = found

    def __len__(self) -> int:
        return self._count

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for number, text in self._lines():
            key = f"{self._path.name} line {number}"
            try:
                yield self._image(text, key)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, text: str, key: str) -> AnnotatedImage:
        try:
            index, labels, name = parse_list_line(text)
        except ValueError as error:
            raise DataError(key, str(error)) from None
        path = find_image(name, self._roots, key)
        size_px = file_size_px(path, key) if self.task == "boxes" else None
        class_ids, objects, extra = read_vector(np.array(labels, np.float32), self.task, size_px, key)
        return AnnotatedImage(name, f"{key} ({name})", path, class_ids, objects, size_px, {ID: index, **extra})

    def _labels(self) -> Iterator[np.ndarray]:
        """Yield the labels of the lines that are well formed."""
        for _, text in self._lines():
            try:
                yield np.array(parse_list_line(text)[1], np.float32)
            except ValueError:
                continue

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            with open_regular_text(self._path, newline="\n") as file:
                yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(str(self._path), f"cannot be read as text ({error})") from None


class LstSink(Sink):
    """Writes a list and the images beside it. Numbers have nine digits, which keeps every float32."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._numbering = plan, Numbering()
        self._file = TextFile(output)
        self._references = ReferenceWriter(output.parent, images)

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        path = self._references.place(image, encoded)
        problem = line_problem(path)
        if problem:
            raise DataError(image.key, f"path {shown_name(path)} {problem}")
        self._file.write(list_line(self._numbering.id_of(image), vector_of(image, size_px, self._plan), path))

    def close(self) -> None:
        self._references.check()
        self._file.close()

    def discard(self) -> None:
        self._file.discard()


def list_line(index: int, label: float | Sequence[float], path: str) -> str:
    """Return one line of a list."""
    labels = [label] if isinstance(label, int | float) else label
    # Rounded to float32 first: the digits of a finer number could lead to a neighbour of the right float32.
    return "\t".join([str(index), *(f"{float(np.float32(number)):.9g}" for number in labels), path]) + "\n"


FORMAT = DatasetFormat(
    name="lst",
    place="FILE.lst, its images below its folder",
    labels=frozenset(("single", "multi", "boxes")),
    source=LstSource,
    sink=LstSink,
    suffixes=(".lst",),
    kept=frozenset((ID, HEADER, COLUMNS)),
    keeps_difficult=True,
)
