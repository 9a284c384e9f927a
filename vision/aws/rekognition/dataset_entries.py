"""The entries of a data set: one JSON line for each image, kept in a file with what is wrong with it.

Errors stand under ``cl-errors`` in the part that has them, ``cl-metadata`` says whether the image is labeled, as the
service writes both.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.aws.failure import ServiceFailure
from vision.aws.s3.buckets import Buckets, split_uri
from vision.data.inspect.ground_truth import MOST_INVALID, MOST_LABELS, CheckedLine, checked_lines
from vision.data.inspect.ground_truth_line import IMAGE_LEVEL_LABELS, OBJECT_LOCALIZATION, check_line
from vision.data.readers.manifest_line import RawLine, iter_lines
from vision.data.stratification import assign_parts
from vision.files.atomic_file import AtomicFile
from vision.files.steady_file import SteadyFile

MOST_BYTES, MOST_LINES, LONGEST_LINE = 1 << 30, 250_000, 100_000
MOST_IMAGE_BYTES = 15 << 20
TEST_SHARE = 0.2
_OWN_KEYS = frozenset({"cl-errors", "cl-warnings", "cl-metadata"})
# Lines with these are no entries: nothing says which image they mean.
_TERMINAL = frozenset({"ERROR_INVALID_JSON_LINE", "ERROR_MISSING_SOURCE_REF", "ERROR_INVALID_SOURCE_REF_FORMAT"})


class ManifestError(Exception):
    """A manifest cannot be used as a whole; ``code`` is the service's name for why."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{message} ({code})")


@dataclass
class EntryCounts:
    """What a data set holds. ``images`` and ``boxes`` count by label."""

    total: int = 0
    labeled: int = 0
    with_errors: int = 0
    images: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)

    def add(self, line: CheckedLine) -> None:
        """Count one entry."""
        found = line.check
        boxes = found.labels(OBJECT_LOCALIZATION)
        labels = {*found.labels(IMAGE_LEVEL_LABELS), *boxes}
        self.total += 1
        self.labeled += bool(labels)
        self.with_errors += any(not error.is_warning for error in found.errors)
        self.images.update(labels)
        self.boxes.update(boxes)


@dataclass(frozen=True)
class BucketImages:
    """Finds the images that manifests name by ``s3://bucket/key``."""

    buckets: Buckets

    def find(self, reference: object) -> Path:
        """Return the image's file. ValueError holds half a sentence."""
        if not isinstance(reference, str):
            raise ValueError("has no address")
        try:
            path = self.buckets.existing(*split_uri(reference))
        except ServiceFailure as error:
            raise ValueError(f"cannot be found: {error.sentence}") from None
        if path.stat().st_size > MOST_IMAGE_BYTES:
            raise ValueError(f"has more than {MOST_IMAGE_BYTES >> 20} MiB")
        return path


def read_lines(manifest: Path) -> Iterator[RawLine]:
    """Yield the lines of a manifest or of a data set's file. Raises ManifestError."""
    if manifest.stat().st_size > MOST_BYTES:
        raise ManifestError(
            "ERROR_MANIFEST_SIZE_TOO_LARGE", "The manifest file size exceeds the maximum supported size."
        )
    try:
        file = SteadyFile(manifest, manifest.name)
    except PermissionError:
        raise ManifestError(
            "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET", "The S3 bucket permissions are incorrect."
        ) from None
    for count, line in enumerate(iter_lines(file)):
        if count == MOST_LINES:
            raise ManifestError("ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", "The manifest file has too many rows.")
        yield line


def store_entries(path: Path, lines: Iterable[RawLine], images: BucketImages) -> EntryCounts:
    """Make the file of a data set of lines, or raise ManifestError and leave the former file."""
    counts, seen, lost = EntryCounts(), set(), 0
    with AtomicFile(path) as file:
        for line in checked_lines(lines, images.find):
            reference = line.values.get("source-ref")
            codes = {error.code for error in line.check.errors}
            if codes & _TERMINAL or reference in seen or not _is_address(reference):
                lost += 1
                continue
            text = json.dumps(_annotated(line))
            if len(text) > LONGEST_LINE:
                lost += 1
                continue
            seen.add(reference)
            counts.add(line)
            file.write(f"{text}\n")
        total = counts.total + lost
        if not total:
            raise ManifestError("ERROR_EMPTY_MANIFEST", "The manifest file is empty.")
        if lost == total:
            raise ManifestError(
                "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
                "The manifest file extension or contents are invalid.",
            )
        if lost > MOST_INVALID * total:
            raise ManifestError("ERROR_TOO_MANY_RECORDS_IN_ERROR", "The manifest file has too many terminal errors.")
        if len(counts.images) > MOST_LABELS:
            raise ManifestError("ERROR_MANIFEST_TOO_MANY_LABELS", "The manifest file has too many labels.")
    return counts


def _is_address(reference: object) -> bool:
    return isinstance(reference, str) and reference.startswith("s3://")


def _annotated(line: CheckedLine) -> dict[str, Any]:
    is_labeled = bool(line.check.image_labels or line.check.boxes)
    return {**line.check.annotate(plain(line.values), "cl-"), "cl-metadata": {"is_labeled": is_labeled}}


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a data set; one that was created without any has no file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def plain(value: Any) -> Any:
    """Return an entry, or a part of it, as the user wrote it."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items() if key not in _OWN_KEYS}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def raw_lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[RawLine]:
    """Yield entries as lines that were never checked."""
    for number, entry in enumerate(entries, 1):
        yield RawLine(number, 0, json.dumps(plain(entry)).encode())


def labels_of(entry: Mapping[str, Any]) -> set[str]:
    """Return the labels of an entry."""
    found = check_line(plain(entry), None, None)
    return {*found.labels(IMAGE_LEVEL_LABELS), *found.labels(OBJECT_LOCALIZATION)}


def choose_test(labels: Sequence[set[str]]) -> list[bool] | None:
    """Return which images are for the test, a fifth of each label; None if there are too few of one."""
    counts = Counter(label for shown in labels for label in shown)
    if not counts or min(counts.values()) < 2:
        return None
    numbers = {label: number for number, label in enumerate(sorted(counts))}
    parts = assign_parts([{numbers[one]: 1.0 for one in shown} for shown in labels], (1 - TEST_SHARE, TEST_SHARE), 0)
    chosen = [part == 1 for part in parts.tolist()]
    return chosen if any(chosen) else None
