"""Check Ground Truth manifests by the rules of Custom Labels, and summarize them in its manifest_summary.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.data.convert.output_files import TextFile
from vision.data.inspect.ground_truth_line import LineCheck, check_line
from vision.data.readers.file_table import file_size_px
from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest_line import iter_lines, parse_line
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

MOST_INVALID, LEAST_OVERLAP = 0.2, 0.5
LEAST_LABELS = {"IMAGE_LEVEL_LABELS": 2, "OBJECT_LOCALIZATION": 1}
MOST_LABELS = 250


@dataclass
class ManifestCheck:
    """The result for one manifest. ``codes`` counts its lines' error codes, ``first`` names the first line of each."""

    total: int = 0
    valid: int = 0
    invalid: int = 0
    ignored: int = 0
    invalid_lines: list[int] = field(default_factory=list)
    use_cases: Counter[str] = field(default_factory=Counter)
    labels: set[str] = field(default_factory=set)
    buckets: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    @property
    def use_case(self) -> str:
        """Return the use case of most lines."""
        return self.use_cases.most_common(1)[0][0] if self.use_cases else "NOT_DETERMINED"

    def errors(self) -> list[tuple[str, str]]:
        """Return code and message of each error of the whole file."""
        found = []
        if self.total and self.invalid > MOST_INVALID * self.total:
            message = f"{self.invalid} of {self.total} lines are invalid; {MOST_INVALID:.0%} are tolerated"
            found.append(("ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message))
        if len(self.buckets) > 1:
            message = f"the images are in {', '.join(sorted(self.buckets))}; one bucket is allowed"
            found.append(("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS", message))
        least = LEAST_LABELS.get(self.use_case, 0)
        if len(self.labels) < least:
            found.append(("ERROR_MANIFEST_TOO_FEW_LABELS", f"{len(self.labels)} labels occur; {least} are needed"))
        if len(self.labels) > MOST_LABELS:
            message = f"{len(self.labels)} labels occur; {MOST_LABELS} are allowed"
            found.append(("ERROR_MANIFEST_TOO_MANY_LABELS", message))
        return found


def check_manifest(path: Path, root: Path, validated: Path) -> ManifestCheck:
    """Check every line, and write the lines to ``validated`` with ``errors`` added where there are some."""
    check, references = ManifestCheck(), ImageReferences(root)
    output = TextFile(validated)
    try:
        for line in iter_lines(SteadyFile(path, str(path))):
            output.write(_checked_line(line.text, line.number, references, root, check))
    except BaseException:
        output.discard()
        raise
    output.close()
    return check


def _checked_line(text: bytes, number: int, references: ImageReferences, root: Path, check: ManifestCheck) -> str:
    check.total += 1
    try:
        line = parse_line(text)
    except ValueError as error:
        found = LineCheck([("ERROR_INVALID_JSON_LINE", str(error))])
        line = {"line": text.decode("utf-8", "replace").rstrip("\r\n")}
    else:
        found = check_line(line, *_image_of(line, references, root))
        reference = line.get("source-ref")
        if isinstance(reference, str) and reference.startswith("s3://"):
            check.buckets.add(reference[5:].partition("/")[0])
    if found.use_case:
        check.use_cases[found.use_case] += 1
    check.labels |= found.labels if found.valid else set()
    check.valid += found.valid
    check.ignored += found.ignored
    if not found.valid and not found.ignored:
        check.invalid += 1
        check.invalid_lines.append(number)
    for code in dict.fromkeys(code for code, _ in found.errors):
        check.codes[code] += 1
        check.first.setdefault(code, f"line {number}: {dict(reversed(found.errors))[code]}")
    errors = [{"code": code, "message": message} for code, message in found.errors]
    return json.dumps({**line, **({"errors": errors} if errors else {})}) + "\n"


def _image_of(
    line: Mapping[str, Any], references: ImageReferences, root: Path
) -> tuple[tuple[int, int] | None, str | None]:
    """Return the size of a line's image, or the problem with it."""
    try:
        path = root / references.find(line.get("source-ref"))
        return file_size_px(path, "the image"), None
    except ValueError as error:
        return None, f"the image {error}"
    except DataError as error:
        return None, str(error)


def manifest_summary(training: ManifestCheck | None, testing: ManifestCheck | None) -> dict[str, Any]:
    """Return the content of manifest_summary.json."""
    errors = []
    if training and testing and training.labels:
        common = len(training.labels & testing.labels) / len(training.labels)
        if common < LEAST_OVERLAP:
            message = f"{common:.0%} of the training labels occur in the test data; {LEAST_OVERLAP:.0%} are needed"
            errors.append({"code": "ERROR_INSUFFICIENT_LABEL_OVERLAP", "message": message})
    parts = {"training": training, "testing": testing}
    return {
        "statistics": {name: _statistics(check) for name, check in parts.items() if check is not None},
        "errors": errors,
    }


def _statistics(check: ManifestCheck) -> dict[str, Any]:
    return {
        "use_case": check.use_case,
        "total_json_lines": check.total,
        "valid_json_lines": check.valid,
        "invalid_json_lines": check.invalid,
        "ignored_json_lines": check.ignored,
        "error_json_line_indices": check.invalid_lines,
        "errors": [{"code": code, "message": message} for code, message in check.errors()],
    }
