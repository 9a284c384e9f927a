"""Augmented manifests: one JSON object a line, with an image reference, a label and perhaps its metadata."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.class_list import find_class_list
from vision.data.containers.image_parts import ImageHeader
from vision.data.masks.color_map import ColorMap, join_color_maps
from vision.data.problems import Problems
from vision.data.readers.class_names import ClassNames
from vision.data.readers.file_table import FileTable
from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest_line import COLOR_MAP, LineReader, RawLine, iter_lines
from vision.data.sample import RawTarget, Sample
from vision.files.steady_file import SteadyFile
from vision.settings.channels import LabelFormat
from vision.settings.errors import DataError


class ManifestReader:
    """Lines of ``file``. Image paths count from ``image_root``, else from the manifest's folder.

    ``attributes`` and ``label_format`` are those of ``LineReader``. The target is the label's JSON value: a whole
    number, a list, a tuple of class ids, an object, or text; a string that holds one of these ("0", "[1, 0]") counts
    as what it holds. A label whose key ends in "-ref" is an image file, and the target its bytes. Class names are
    gathered from the metadata of all lines, and from a classes.txt beside the file. The whole file is checked when it
    is opened.
    """

    def __init__(
        self,
        file: str | Path,
        attributes: Sequence[str] | None = None,
        image_root: str | Path | None = None,
        label_format: LabelFormat | None = None,
    ) -> None:
        self._path = Path(file)
        root = self._path.parent if image_root is None else Path(image_root)
        self._text = SteadyFile(self._path, str(self._path))
        self._lines = LineReader(str(self._path), attributes, label_format)
        problems = Problems(str(self._path))
        starts, sizes, numbers, paths = array("q"), array("q"), array("q"), []
        label_paths: list[str] = []
        color_maps: dict[str, object] = {}
        references, names = ImageReferences(root), ClassNames()
        for raw in iter_lines(self._text):
            try:
                line = self._lines.read(raw)
                path = references.find(line.reference)
                if self._lines.labels_are_files:
                    label_paths.append(references.find(line.label))
            except ValueError as error:
                problems.add(f"line {raw.number}: {error}")
                if self._lines.keys is None:
                    break
                continue
            if self._lines.labels_are_files and COLOR_MAP in line.metadata:
                # All lines of a job repeat one map.
                color_maps.setdefault(repr(line.metadata[COLOR_MAP]), line.metadata[COLOR_MAP])
            for class_id, name in line.names():
                problem = names.add(class_id, name, f"line {raw.number}")
                if problem:
                    problems.add(f"line {raw.number}: {problem}")
            starts.append(raw.start)
            sizes.append(len(raw.text))
            numbers.append(raw.number)
            paths.append(path)
        problems.raise_if_any()
        if not numbers:
            raise DataError(str(self._path), "holds no lines; each must be one JSON object")
        # Masks of Ground Truth are read by these colors; None where the values of the pixels count.
        self.color_map: ColorMap | None = join_color_maps(color_maps.values(), self._path.name) if color_maps else None
        stated = names.names() if self.color_map is None else self.color_map.class_names
        self.class_names: tuple[str, ...] | None = find_class_list(
            None, self._path.parent, stated=stated, stated_by=self._path.name
        )
        self._files = FileTable(root, paths)
        self._label_files = FileTable(root, label_paths) if self._lines.labels_are_files else None
        self._starts = np.array(starts, np.int64)
        self._sizes = np.array(sizes, np.int64)
        self._numbers = np.array(numbers, np.int64)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._files.read(index, key), self.target(index), key)

    def target(self, index: int) -> RawTarget:
        """Return the label's JSON value of one line, or the bytes of the image file that it names."""
        if self._label_files is not None:
            return self._label_files.read(index, self.key(index))
        start = int(self._starts[index])
        text = self._text.read(start, int(self._sizes[index]))
        try:
            return self._lines.read(RawLine(int(self._numbers[index]), start, text)).label
        except ValueError as error:
            raise DataError(self.key(index), f"{error} (the file changed after it was checked)") from None

    def key(self, index: int) -> str:
        """Return the name of the line, such as ``train.manifest line 3 (cats/001.jpg)``."""
        return f"{self._path.name} line {self._numbers[index]} ({self._files[index]})"

    def path(self, index: int) -> str:
        """Return the path of the image below the image folder."""
        return self._files[index]

    def image_size_px(self, index: int) -> tuple[int, int]:
        """(width, height) of one image, from its header."""
        return self._files.image_size_px(index, self.key(index))

    def image_header(self, index: int) -> ImageHeader:
        """Return the header of one image."""
        return self._files.image_header(index, self.key(index))

    @property
    def has_masks(self) -> bool:
        """Whether labels are image files that label each pixel."""
        return self._label_files is not None

    def number_classes(self, class_names: Sequence[str]) -> None:
        """Give the classes of a color map the ids of ``class_names``. Raises DataError for a class that they lack."""
        if self.color_map is not None:
            self.color_map = self.color_map.numbered(class_names, self._path.name)
            self.class_names = self.color_map.class_names

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was decided for the user about the labels' meaning."""
        added = self.color_map is not None and self.color_map.adds_background
        sentences = [self._lines.remark, "the masks' color map has no BACKGROUND, which is added as class 0" * added]
        return tuple(f"{self._path.name}: {sentence}" for sentence in sentences if sentence)
