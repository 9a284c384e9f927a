"""Check Ground Truth manifests by the rules of Custom Labels, and summarize them in its manifest_summary.json."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.data.convert.output_files import TextFile
from vision.data.inspect.ground_truth_line import (
    IMAGE_LEVEL_LABELS,
    OBJECT_LOCALIZATION,
    LineCheck,
    LineError,
    check_line,
)
from vision.data.readers.file_table import file_size_px
from vision.data.readers.manifest_line import RawLine, iter_lines, parse_line
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

# Returns the file that a source-ref names; its ValueError holds half a sentence.
FindImage = Callable[[object], Path]

MOST_INVALID, LEAST_OVERLAP = 0.2, 0.5
LEAST_LABELS = {IMAGE_LEVEL_LABELS: 2, OBJECT_LOCALIZATION: 1}
MOST_LABELS = 250


@dataclass(frozen=True)
class CheckedLine:
    """One line: its number from 1, its values if it is JSON, what was found, and image and its size where readable."""

    number: int
    values: Mapping[str, Any]
    check: LineCheck
    image: Path | None = None
    size_px: tuple[int, int] | None = None


@dataclass
class ManifestCheck:
    """The result for one manifest. ``codes`` counts its lines' error codes, ``first`` names the first line of each.

    ``labels`` are by use case; that of most lines counts, unless ``given_use_case`` is that of the training manifest.
    """

    given_use_case: str | None = None
    total: int = 0
    valid: int = 0
    invalid: int = 0
    ignored: int = 0
    images: int = 0
    error_lines: list[int] = field(default_factory=list)
    use_cases: Counter[str] = field(default_factory=Counter)
    labels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    buckets: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    @property
    def use_case(self) -> str:
        """Return the use case that counts."""
        most = self.use_cases.most_common(1)
        return self.given_use_case or (most[0][0] if most else "NOT_DETERMINED")

    @property
    def all_labels(self) -> set[str]:
        """Return the labels of both use cases."""
        return set().union(*self.labels.values())

    @property
    def usable_labels(self) -> set[str]:
        """Return the labels of the use case that counts."""
        return self.labels[self.use_case]

    def add(self, line: CheckedLine) -> None:
        """Count one line."""
        found = line.check
        self.total += 1
        self.images += line.image is not None
        self.valid += found.is_usable
        self.ignored += found.is_ignored
        self.invalid += not found.is_usable and not found.is_ignored
        if any(not error.is_warning for error in found.errors):
            self.error_lines.append(line.number)
        reference = line.values.get("source-ref")
        if isinstance(reference, str) and reference.startswith("s3://"):
            self.buckets.add(reference[5:].partition("/")[0])
        if found.use_case:
            self.use_cases[found.use_case] += 1
        if found.is_usable:
            for use_case in LEAST_LABELS:
                self.labels[use_case].update(found.labels(use_case))
        for error in reversed(found.errors):
            self.first.setdefault(error.code, f"line {line.number}: {error.message}")
        self.codes.update({error.code for error in found.errors})

    def errors(self) -> list[tuple[str, str]]:
        """Return code and message of each error of the whole file."""
        found = []
        if self.total and self.invalid > MOST_INVALID * self.total:
            code = min(
                (code for code in self.codes if not code.startswith("WARNING")),
                key=lambda code: (-self.codes[code], code),
            )
            message = (
                f"{self.invalid} of {self.total} lines are invalid, most often by {code} ({self.first[code]});"
                f" {MOST_INVALID:.0%} are tolerated"
            )
            found.append(("ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message))
        if self.total and not self.images:
            found.append(("ERROR_FAILED_IMAGES_S3_COPY", "not one of the images can be read"))
        if len(self.buckets) > 1:
            message = f"the images are in {', '.join(sorted(self.buckets))}; one bucket is allowed"
            found.append(("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS", message))
        every, usable, least = self.all_labels, self.usable_labels, LEAST_LABELS.get(self.use_case, 1)
        if len(every) < least:
            found.append(("ERROR_MANIFEST_TOO_FEW_LABELS", f"{len(every)} labels occur; {least} are needed"))
        elif len(usable) < least:
            message = f"{len(usable)} labels occur in lines of {self.use_case}; {least} are needed"
            found.append(("ERROR_MANIFEST_TOO_FEW_USABLE_LABELS", message))
        if len(every) > MOST_LABELS:
            message = f"{len(every)} labels occur; {MOST_LABELS} are allowed"
            found.append(("ERROR_MANIFEST_TOO_MANY_LABELS", message))
        return found


def check_manifest(path: Path, find_image: FindImage, validated: Path) -> ManifestCheck:
    """Check every line, and write the lines to ``validated`` with ``errors`` added where there are some."""
    check = ManifestCheck()
    output = TextFile(validated)
    try:
        for line in checked_lines(iter_lines(SteadyFile(path, str(path))), find_image):
            check.add(line)
            output.write(json.dumps(line.check.annotate(line.values)) + "\n")
    except BaseException:
        output.discard()
        raise
    output.close()
    return check


def checked_lines(lines: Iterable[RawLine], find_image: FindImage) -> Iterator[CheckedLine]:
    """Check lines one by one."""
    for line in lines:
        try:
            values = parse_line(line.text)
        except ValueError as error:
            yield CheckedLine(line.number, {}, LineCheck([LineError("ERROR_INVALID_JSON_LINE", str(error))]))
            continue
        image = size_px = problem = None
        try:
            image = find_image(values.get("source-ref"))
            size_px = file_size_px(image, "the image")
        except ValueError as error:
            problem = f"the image {error}"
        except DataError as error:
            problem = str(error)
        yield CheckedLine(line.number, values, check_line(values, size_px, problem), image, size_px)


def manifest_summary(training: ManifestCheck | None, testing: ManifestCheck | None) -> dict[str, Any]:
    """Return the content of manifest_summary.json."""
    errors = []
    if training and testing and training.all_labels:
        usable = _overlap(training.usable_labels, testing.usable_labels)
        for code, what, share in (
            ("ERROR_INSUFFICIENT_LABEL_OVERLAP", "labels", _overlap(training.all_labels, testing.all_labels)),
            ("ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP", f"labels of {training.use_case}", usable),
        ):
            if share < LEAST_OVERLAP:
                message = f"{share:.0%} of the training {what} occur in the test data; {LEAST_OVERLAP:.0%} are needed"
                errors.append({"code": code, "message": message})
                break
    parts = {"training": training, "testing": testing}
    return {
        "statistics": {name: _statistics(check) for name, check in parts.items() if check is not None},
        "errors": errors,
    }


def _overlap(training: set[str], testing: set[str]) -> float:
    return len(training & testing) / max(len(training), 1)


def _statistics(check: ManifestCheck) -> dict[str, Any]:
    return {
        "use_case": check.use_case,
        "total_json_lines": check.total,
        "valid_json_lines": check.valid,
        "invalid_json_lines": check.invalid,
        "ignored_json_lines": check.ignored,
        "error_json_line_indices": check.error_lines,
        "errors": [{"code": code, "message": message} for code, message in check.errors()],
    }
