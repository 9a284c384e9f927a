"""Images named by a ``.lst`` file: index, labels and path in columns, as MXNet's im2rec writes it."""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import numpy as np

from vision.data.problems import Problems
from vision.data.readers.file_table import FileTable, path_problem
from vision.data.sample import Sample
from vision.settings.errors import DataError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular

_MAX_INDEX = (1 << 63) - 1
_MAX_LABEL = float(np.finfo(np.float32).max)


class ImageListReader:
    """Lines of ``lst_file``; paths are relative to ``image_root``. The file is checked when it is opened.

    Targets are float32 [W], the label columns of the line: one class, a 0/1 column for each class, or a
    detection label [A, B, ..., objects]; W may differ from line to line. ``class_names`` come from beside the file.
    """

    def __init__(
        self, lst_file: str | Path, image_root: str | Path, class_names: tuple[str, ...] | None = None
    ) -> None:
        self.class_names = class_names
        lst_file, image_root = Path(lst_file), Path(image_root)
        self._name = lst_file.name
        problems = Problems(str(lst_file))
        line_of_index: dict[int, int] = {}
        lines, ends, labels, paths = array("q"), array("q"), array("f"), []
        for number, text in enumerate(_read_text(lst_file).split("\n"), 1):
            if not text.strip():
                continue
            try:
                index, numbers, path = parse_list_line(text)
                first = line_of_index.setdefault(index, number)
                if first != number:
                    raise ValueError(f"has the index {index} of line {first}; every line needs its own")
                problem = path_problem(image_root, path)
                if problem:
                    raise ValueError(problem)
            except ValueError as error:
                problems.add(f"line {number}: {error}")
                continue
            lines.append(number)
            labels.extend(numbers)
            ends.append(len(labels))
            paths.append(path)
        problems.raise_if_any()
        if not lines:
            raise DataError(str(lst_file), "holds no lines; each must be index<TAB>label<TAB>path")
        self._files = FileTable(image_root, paths)
        self._lines = np.array(lines, np.int64)
        self._labels = np.array(labels, np.float32)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._files.read(index, key), self.target(index), key)

    def target(self, index: int) -> np.ndarray:
        """Return the label columns of one line, float32 [W]."""
        start = int(self._ends[index - 1]) if index else 0
        return self._labels[start : int(self._ends[index])].copy()

    def key(self, index: int) -> str:
        """Return the name of the line, such as ``train.lst line 12 (cats/001.jpg)``."""
        return f"{self._name} line {self._lines[index]} ({self._files[index]})"

    def path(self, index: int) -> str:
        """Return the path of the image below the image folder."""
        return self._files[index]


def _read_text(lst_file: Path) -> str:
    try:
        with open_regular(lst_file) as file:
            content = file.read()
    except OSError as error:
        raise DataError(str(lst_file), f"cannot be read ({error.strerror})") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(str(lst_file), f"line {line} is not UTF-8 text; save the file as UTF-8") from None


def parse_list_line(text: str) -> tuple[int, list[float], str]:
    """Return index, labels and path of one line; ValueError holds the sentence."""
    columns = [strip_blanks(column) for column in text.split("\t")] if "\t" in text else _split_at_blanks(text)
    if len(columns) < 3:
        raise ValueError(f"has {len(columns)} columns; index<TAB>label<TAB>path are needed")
    index, *labels, path = columns
    if not (index.isascii() and index.isdigit() and len(index) < 20 and int(index) <= _MAX_INDEX):
        raise ValueError(f"has the index {index!r:.40}, which must be a whole number, at most {_MAX_INDEX}")
    if not path:
        raise ValueError("has no path in its last column")
    return int(index), [_label(label) for label in labels], path


def _label(text: str) -> float:
    try:
        label = float(text)
    except ValueError:
        raise ValueError(f"has the label {text!r:.40}, which must be a number (classes are counted from 0)") from None
    if not -_MAX_LABEL <= label <= _MAX_LABEL:
        raise ValueError(f"has the label {text!r:.40}, which must be a finite float32 number")
    return label


def _split_at_blanks(text: str) -> list[str]:
    """Return the columns of a line without tabs; clear only if all but the last are numbers and the last is none."""
    columns = re.split(" +", strip_blanks(text))
    if len(columns) >= 3 and not (all(map(_is_number, columns[:-1])) and not _is_number(columns[-1])):
        raise ValueError(
            f"has blanks between its columns ({text.strip()!r:.80}), so it is unclear where the path begins; "
            "separate the columns with tabs"
        )
    return columns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
