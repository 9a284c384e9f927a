"""What a model version is trained and tested on: manifests by the service's rules, turned into channels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.aws.rekognition.dataset_entries import BucketImages, choose_test, plain
from vision.data.inspect.ground_truth import CheckedLine, ManifestCheck, checked_lines, manifest_summary
from vision.data.inspect.ground_truth_line import IMAGE_LEVEL_LABELS, LOCALIZATION
from vision.data.readers.manifest_line import MULTI_LABEL, RawLine
from vision.files.atomic_file import AtomicFile, write_whole

TRAIN, TEST = "training", "testing"
# A label needs as many training images for a fifth of them to choose the epoch; else the test images do.
_LEAST_FOR_HOLDING_OUT = 5
_LABEL = "label"


@dataclass(frozen=True)
class Part:
    """The training or the test data: the lines, and the result of their check."""

    lines: list[CheckedLine]
    check: ManifestCheck

    def usable(self, labels: Iterable[str] | None = None) -> list[tuple[CheckedLine, list[str]]]:
        """Return the lines that count, and their labels in order, of which only those in ``labels`` count."""
        use_case, known = self.check.use_case, None if labels is None else set(labels)
        found = []
        for line in self.lines:
            shown = set(line.check.labels(use_case)) if line.check.is_usable else set()
            if kept := sorted(shown if known is None else shown & known):
                found.append((line, kept))
        return found


@dataclass(frozen=True)
class TrainingData:
    """Both parts, and the manifest summary."""

    training: Part
    testing: Part
    summary: dict[str, Any]

    @classmethod
    def check(
        cls, training: Iterable[RawLine], testing: Iterable[RawLine] | None, images: BucketImages
    ) -> TrainingData:
        """Check the lines of both parts; without test lines a fifth of the training lines becomes the test."""
        lines, split_error = list(checked_lines(training, images.find)), None
        if testing is not None:
            test_lines = list(checked_lines(testing, images.find))
        else:
            lines, test_lines, split_error = _split(lines)
        train = Part(lines, ManifestCheck())
        for line in lines:
            train.check.add(line)
        given = train.check.use_case if train.check.use_cases else None
        test = Part(test_lines, ManifestCheck(given_use_case=given))
        for line in test_lines:
            test.check.add(line)
        summary = manifest_summary(train.check, test.check)
        if split_error is not None:
            summary["statistics"][TRAIN]["errors"].insert(0, split_error)
        return cls(train, test, summary)

    def problem(self) -> str | None:
        """Return the errors that keep a model from being trained as one text; None if there are none."""
        errors = [
            *self.summary["statistics"][TRAIN]["errors"],
            *self.summary["statistics"][TEST]["errors"],
            *self.summary["errors"],
        ]
        return "; ".join(f"{error['message']} ({error['code']})" for error in errors) or None

    @property
    def holds_out(self) -> bool:
        """Return whether every label has enough training images to hold some out for choosing the epoch."""
        counts = {name: 0 for name in self.training.check.usable_labels}
        for _, labels in self.training.usable():
            for name in labels:
                counts[name] += 1
        return min(counts.values()) >= _LEAST_FOR_HOLDING_OUT

    def write_channels(self, folder: Path) -> dict[str, Path]:
        """Write a manifest for each part, as this package reads them, and return the paths by part."""
        class_names = sorted(self.training.check.usable_labels)
        parts = {TRAIN: self.training.usable(class_names), TEST: self.testing.usable(class_names)}
        is_multi = any(len(labels) > 1 for usable in parts.values() for _, labels in usable)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for name, usable in parts.items():
            paths[name] = folder / f"{name}.manifest"
            with AtomicFile(paths[name]) as file:
                for number, (line, labels) in enumerate(usable):
                    written = self._line(line, labels, class_names, is_multi)
                    if not number:
                        # Once is enough for all ids to have their names.
                        written[f"{_LABEL}-metadata"]["class-map"] = {
                            str(class_id): label for class_id, label in enumerate(class_names)
                        }
                    file.write(f"{json.dumps(written)}\n")
        return paths

    def _line(self, line: CheckedLine, labels: list[str], class_names: list[str], is_multi: bool) -> dict[str, Any]:
        assert line.image is not None
        assert line.size_px is not None
        ids = {name: class_names.index(name) for name in labels}
        value: object
        if self.training.check.use_case != IMAGE_LEVEL_LABELS:
            width, height = line.size_px
            boxes = [
                {"class_id": ids[box.label], "left": box.left, "top": box.top, "width": box.width, "height": box.height}
                for box in line.check.boxes
                if box.label in ids
            ]
            value = {"image_size": [{"width": width, "height": height, "depth": 3}], "annotations": boxes}
            metadata = {"class-map": {str(class_id): name for name, class_id in ids.items()}, "type": LOCALIZATION}
        elif is_multi:
            value = list(ids.values())
            metadata = {"class-map": {str(class_id): name for name, class_id in ids.items()}, "type": MULTI_LABEL}
        else:
            (name,) = labels
            value, metadata = ids[name], {"class-name": name}
        return {"source-ref": line.image.as_uri(), _LABEL: value, f"{_LABEL}-metadata": metadata}

    def write_validation(self, folder: Path) -> dict[str, Path]:
        """Write each part with its errors, its usable lines, and the summary; return the paths by what they hold."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for name, part in ((TRAIN, self.training), (TEST, self.testing)):
            checked = [line.check.annotate(line.values) for line in part.lines]
            paths[f"{name}-validation"] = _write_lines(folder / f"{name}-validation.json", checked)
            paths[name] = _write_lines(folder / f"{name}.json", [line.values for line, _ in part.usable()])
        paths["summary"] = folder / "summary.json"
        write_whole(paths["summary"], json.dumps(self.summary, indent=1))
        return paths


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    with AtomicFile(path) as file:
        for line in lines:
            file.write(f"{json.dumps(plain(line))}\n")
    return path


def _split(lines: list[CheckedLine]) -> tuple[list[CheckedLine], list[CheckedLine], dict[str, str] | None]:
    is_test = choose_test([{*line.check.image_labels, *(box.label for box in line.check.boxes)} for line in lines])
    if is_test is None:
        message = "The manifest file contains insufficient labeled images per label to perform auto-split."
        return lines, [], {"code": "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT", "message": message}
    pairs = list(zip(lines, is_test, strict=True))
    return [line for line, is_one in pairs if not is_one], [line for line, is_one in pairs if is_one], None
