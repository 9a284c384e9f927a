"""Lines of augmented manifests: where one ends, which keys it has, and what its label is, for every reader of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vision.data.sample import RawTarget
from vision.files.steady_file import SteadyFile
from vision.settings.channels import LabelFormat
from vision.settings.errors import DataError
from vision.settings.strict_json import parse_json

METADATA, REFERENCE = "-metadata", "-ref"
# Key of a mask's metadata: its classes with their colors.
COLOR_MAP = "internal-color-map"
# Ground Truth allows 100,000 characters.
MAX_LINE_BYTES = 16 << 20
# Metadata of this type say that a list holds the ids of the image's classes.
MULTI_LABEL = "groundtruth/image-classification-multilabel"
# Some tools write a label's JSON as text, others that text as JSON once more.
_MOST_QUOTES = 3
_BLOCK_BYTES = 1 << 20
_ADVICE = "set attributes to the image's key and the label's key, such as source-ref,class"


class RawLine(NamedTuple):
    """One line that is not blank: its number from 1, and where it begins in the file."""

    number: int
    start: int
    text: bytes


class ManifestLine(NamedTuple):
    """One line: what names the image, the label, the label's metadata, and all other keys with their values.

    Where the label is an image file (``LineReader.labels_are_files``), ``label`` is what names it.
    """

    reference: object
    label: RawTarget
    metadata: Mapping[str, Any]
    others: Mapping[str, Any]

    def names(self) -> list[tuple[object, object]]:
        """Return pairs of class id and name that the metadata state."""
        class_map = self.metadata.get("class-map")
        pairs: list[tuple[object, object]] = list(class_map.items()) if isinstance(class_map, Mapping) else []
        if isinstance(self.label, int) and self.label >= 0 and "class-name" in self.metadata:
            pairs.append((self.label, self.metadata["class-name"]))
        return pairs


class LineReader:
    """Reads the lines of one manifest.

    ``attributes`` are the keys of image and label, found from the first line where it leaves one choice. A list is a
    tuple of class ids where ``label_format`` or else Ground Truth's metadata say so; otherwise it has 0 or 1 for each
    class. Raises DataError under ``key`` for wrong attributes.
    """

    def __init__(self, key: str, attributes: Sequence[str] | None, label_format: LabelFormat | None) -> None:
        self.keys: tuple[str, str] | None = None
        if attributes is not None:
            try:
                self.keys = check_attributes(attributes)
            except ValueError as error:
                raise DataError(key, str(error)) from None
        self._label_format = label_format
        # Whether the metadata make lists class ids, and the first line with a list.
        self._ids_by_metadata: tuple[bool, int] | None = None

    @property
    def labels_are_files(self) -> bool:
        """Whether the label's key names an image file that labels each pixel; known once a line has been read."""
        return self.keys is not None and self.keys[1].endswith(REFERENCE)

    @property
    def remark(self) -> str | None:
        """A sentence where the metadata, not the user, decided what lists mean."""
        if self._ids_by_metadata is None or not self._ids_by_metadata[0]:
            return None
        return (
            f"lists of classes hold class ids, as the metadata's type {MULTI_LABEL} says (label_format=multi-hot reads "
            "them as 0 or 1 for each class)"
        )

    def read(self, line: RawLine) -> ManifestLine:
        """Read one line. ValueError holds half a sentence; without ``keys`` no later line can be read either."""
        values = parse_line(line.text)
        if self.keys is None:
            self.keys = infer_attributes(values)
        image_key, label_key = self.keys
        metadata = values.get(label_key + METADATA)
        described = metadata if isinstance(metadata, Mapping) else {}
        value = _value(values, label_key)
        label = _label_file(value, label_key) if self.labels_are_files else decode_label(value, label_key)
        if isinstance(label, list) and self._holds_ids(described, line.number):
            label = id_list(label)
        others = {name: value for name, value in values.items() if name.removesuffix(METADATA) not in self.keys}
        return ManifestLine(_value(values, image_key), label, described, others)

    def _holds_ids(self, metadata: Mapping[str, Any], number: int) -> bool:
        if self._label_format is not None:
            return self._label_format == "class-id"
        holds_ids = metadata.get("type") == MULTI_LABEL
        if self._ids_by_metadata is None:
            self._ids_by_metadata = holds_ids, number
        first, first_number = self._ids_by_metadata
        if holds_ids != first:
            meanings = ("has 0 or 1 for each class", "holds class ids")
            raise ValueError(
                f"has a list that by its metadata {meanings[holds_ids]}, but that of line {first_number} "
                f"{meanings[first]}: set label_format to class-id or multi-hot"
            )
        return holds_ids


def iter_lines(file: SteadyFile) -> Iterator[RawLine]:
    """Yield each line that is not blank, cut off behind the most that a line may have.

    Raises FileChangedError if the file shrinks meanwhile.
    """
    start = position = 3 if file[:3] == b"\xef\xbb\xbf" else 0
    number, held = 0, b""
    while position < len(file):
        block = file.read(position, min(_BLOCK_BYTES, len(file) - position))
        *ends, rest = block.split(b"\n")
        for end in ends:
            number += 1
            text = (held + end)[: MAX_LINE_BYTES + 1]
            if text.strip():
                yield RawLine(number, start, text)
            position += len(end) + 1
            start, held = position, b""
        position += len(rest)
        if len(held) <= MAX_LINE_BYTES:
            held += rest
    if held.strip():
        yield RawLine(number + 1, start, held[: MAX_LINE_BYTES + 1])


def parse_line(text: bytes) -> dict[str, Any]:
    """Return one line's JSON object. ValueError holds half a sentence."""
    if len(text) > MAX_LINE_BYTES:
        raise ValueError(f"has more than the {MAX_LINE_BYTES} bytes that a line may have")
    try:
        line = parse_json(text)
    except ValueError as error:
        start = text[:40].decode("utf-8", "replace")
        raise ValueError(f"must be one JSON object, but is {error}; it begins {start!r}") from None
    if not isinstance(line, dict):
        raise ValueError(f"holds a JSON {type(line).__name__}, but each line must be one JSON object")
    return line


def check_attributes(attributes: Sequence[str]) -> tuple[str, str]:
    """Return (image key, label key) as the user states them. ValueError holds the sentence."""
    if len(attributes) != 2:
        raise ValueError(
            f"{len(attributes)} attributes are given ({', '.join(attributes)}), but it takes two: {_ADVICE}"
        )
    image, label = attributes
    if not image.endswith(REFERENCE):
        swapped = f"; did you mean {label},{image}?" if label.endswith(REFERENCE) else ""
        raise ValueError(
            f"the first attribute is {image!r}, but it must name the image and end in '-ref'{swapped or '; ' + _ADVICE}"
        )
    if label == image or label.endswith(METADATA):
        raise ValueError(f"the second attribute is {label!r}, but it must name the label: {_ADVICE}")
    return image, label


def infer_attributes(line: Mapping[str, Any]) -> tuple[str, str]:
    """Return (image key, label key) of a line where only one choice is possible. ValueError names the candidates.

    Ground Truth writes ``NAME-metadata`` beside each label; where it is found, only such keys can be labels. A label
    key that ends in "-ref" names an image file that labels each pixel.
    """
    keys = [key for key in line if not key.endswith(METADATA)]
    described = [key for key in keys if key + METADATA in line]
    images = [key for key in keys if key.endswith(REFERENCE) and key not in described]
    if "source-ref" in images:
        images = ["source-ref"]
    labels = described or [key for key in keys if not key.endswith(REFERENCE)] or [k for k in keys if k not in images]
    if len(images) != 1:
        raise ValueError(
            f"{_counted(images, 'image')} (keys that end in '-ref' name images; the line has "
            f"{', '.join(line)[:200]}); {_ADVICE}"
        )
    if len(labels) != 1:
        raise ValueError(f"{_counted(labels, 'label')}; {_ADVICE}")
    return images[0], labels[0]


def decode_label(value: object, name: str) -> RawTarget:
    """Return the label as whole number, list, object or text, also where its JSON is quoted.

    ValueError holds half a sentence.
    """
    for _ in range(_MOST_QUOTES):
        if not isinstance(value, str):
            break
        try:
            held = parse_json(value)
        except ValueError:
            break
        if not isinstance(held, int | float | list | dict | str) or isinstance(held, bool):
            break
        value = held
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, list | dict) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"has {name}={value!r:.40}, but a label is a class number, a list or a bounding-box object")


def id_list(label: list[Any]) -> tuple[Any, ...]:
    """Return a list of class ids as readers give it. ValueError holds half a sentence."""
    wrong = [item for item in label if not isinstance(item, int) or isinstance(item, bool) or item < 0]
    if wrong:
        raise ValueError(f"has {wrong[0]!r:.40} in its list of classes, which must be whole numbers from 0")
    return tuple(label)


def _value(line: dict[str, Any], key: str) -> object:
    if key in line:
        return line[key]
    reason = line.get(key + METADATA)
    failure = reason.get("failure-reason") if isinstance(reason, dict) else None
    said = f" (Ground Truth says: {failure!r:.100})" if failure else ""
    raise ValueError(f"has no key {key!r}{said}; its keys are {', '.join(line)[:200]}")


def _label_file(value: object, name: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"has {name}={value!r:.40}, but a key that ends in '-ref' holds the path or address of a file")


def _counted(keys: Sequence[str], what: str) -> str:
    return f"no key names the {what}" if not keys else f"{', '.join(keys)} could each name the {what}"
