"""Augmented manifests: one JSON object a line, with an image reference, a label and perhaps its metadata."""

from __future__ import annotations

import math
import mmap
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.readers.class_names import ClassNames
from vision.data.readers.file_table import FileTable
from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest_attributes import METADATA, check_attributes, infer_attributes
from vision.data.readers.problems import Problems
from vision.data.readers.strict_json import parse_json
from vision.data.sample import RawTarget, Sample
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# Ground Truth allows 100,000 characters.
MAX_LINE_BYTES = 16 << 20


class ManifestReader:
    """Lines of ``file``. Image paths count from ``image_root``, else from the manifest's folder.

    ``attributes`` are the keys of image and label, found from the first line where it leaves one choice.
    The target is the label's JSON value: a whole number, a list, an object, or text; a string that holds
    one of the first three ("0", "[1, 0]") counts as what it holds. Class names are gathered from the
    metadata of all lines. The whole file is checked when it is opened.
    """

    def __init__(
        self,
        file: str | Path,
        attributes: Sequence[str] | None = None,
        image_root: str | Path | None = None,
    ) -> None:
        self._path = Path(file)
        root = self._path.parent if image_root is None else Path(image_root)
        self._map_file()
        self._problems = Problems(str(self._path))
        starts, lines, paths = array("q"), array("q"), []
        references, names = ImageReferences(root), ClassNames()
        self._keys: tuple[str, str] | None = None if attributes is None else self._checked(attributes)
        for number, start, text in self._raw_lines():
            try:
                line = parse_line(text)
                if self._keys is None:
                    self._keys = infer_attributes(line)
                image_key, label_key = self._keys
                label = decode_label(_value(line, label_key), label_key)
                path = references.find(_value(line, image_key))
            except ValueError as error:
                self._problems.add(f"line {number}: {error}")
                if self._keys is None:
                    break
                continue
            self._collect_names(names, label, line.get(label_key + METADATA), number)
            starts.append(start)
            lines.append(number)
            paths.append(path)
        self._problems.raise_if_any()
        if not lines:
            raise DataError(str(self._path), "holds no lines; each must be one JSON object")
        self.class_names: tuple[str, ...] | None = names.names()
        self._files = FileTable(root, paths)
        self._starts = np.array(starts, np.int64)
        self._lines = np.array(lines, np.int64)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._files.read(index, key), self.target(index), key)

    def target(self, index: int) -> RawTarget:
        """The label's JSON value of one line."""
        assert self._keys is not None
        start = int(self._starts[index])
        try:
            line = parse_line(self._text[start : self._line_end(start)])
            return decode_label(_value(line, self._keys[1]), self._keys[1])
        except ValueError as error:
            raise DataError(self.key(index), f"{error} (the file changed after it was checked)") from None

    def key(self, index: int) -> str:
        """Name of the line, such as ``train.manifest line 3 (cats/001.jpg)``."""
        return f"{self._path.name} line {self._lines[index]} ({self._files[index]})"

    def path(self, index: int) -> str:
        """Path of the image below the image folder."""
        return self._files[index]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_text"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map_file()

    def _map_file(self) -> None:
        try:
            with open_regular(self._path) as file:
                empty = file.seek(0, 2) == 0
                self._text = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DataError(str(self._path), f"cannot be read ({error.strerror})") from None

    def _line_end(self, start: int) -> int:
        end = self._text.find(b"\n", start)
        return len(self._text) if end < 0 else end

    def _raw_lines(self) -> Iterator[tuple[int, int, bytes]]:
        """(line number from 1, byte offset, bytes) of each line that is not blank."""
        start = 3 if self._text[:3] == b"\xef\xbb\xbf" else 0
        number = 0
        while start < len(self._text):
            end, number = self._line_end(start), number + 1
            if end - start > MAX_LINE_BYTES:
                self._problems.add(f"line {number}: has {end - start} bytes, more than {MAX_LINE_BYTES}")
            else:
                text = self._text[start:end]
                if text.strip():
                    yield number, start, text
            start = end + 1

    def _checked(self, attributes: Sequence[str]) -> tuple[str, str]:
        try:
            return check_attributes(attributes)
        except ValueError as error:
            raise DataError(str(self._path), str(error)) from None

    def _collect_names(self, names: ClassNames, label: RawTarget, metadata: object, number: int) -> None:
        if not isinstance(metadata, dict):
            return
        class_map = metadata.get("class-map")
        pairs = list(class_map.items()) if isinstance(class_map, dict) else []
        if isinstance(label, int) and "class-name" in metadata:
            pairs.append((label, metadata["class-name"]))
        for class_id, name in pairs:
            problem = names.add(class_id, name, f"line {number}")
            if problem:
                self._problems.add(f"line {number}: {problem}")


def parse_line(text: bytes) -> dict[str, Any]:
    """One line's JSON object. ValueError holds half a sentence."""
    try:
        line = parse_json(text)
    except ValueError as error:
        start = text[:40].decode("utf-8", "replace")
        raise ValueError(f"must be one JSON object, but is {error}; it begins {start!r}") from None
    if not isinstance(line, dict):
        raise ValueError(f"holds a JSON {type(line).__name__}, but each line must be one JSON object")
    return line


def decode_label(value: object, name: str) -> RawTarget:
    """The label as whole number, list, object or text. ValueError holds half a sentence."""
    if isinstance(value, str):
        try:
            held = parse_json(value)
        except ValueError:
            held = value
        if isinstance(held, int | float | list | dict) and not isinstance(held, bool):
            value = held
        if isinstance(value, str) and value.strip():
            return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, list | dict) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"has {name}={value!r:.40}, but a label is a class number, a list or a bounding-box object")


def _value(line: dict[str, Any], key: str) -> object:
    if key in line:
        return line[key]
    reason = line.get(key + METADATA)
    failure = reason.get("failure-reason") if isinstance(reason, dict) else None
    said = f" (Ground Truth says: {failure!r:.100})" if failure else ""
    raise ValueError(f"has no key {key!r}{said}; its keys are {', '.join(line)[:200]}")
