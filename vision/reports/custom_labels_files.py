"""The files that Rekognition Custom Labels leaves after an evaluation, beside a report or a JSON file.

``EvaluationSummary-*.json`` holds the figures of each label, ``EvaluationManifest-*.manifest`` a line for each image.
Source: sagemaker-contract, section 10.2. K classes.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vision.data.image_codec import image_size
from vision.data.sample import Located, Reader
from vision.files.atomic_file import AtomicFile, write_whole
from vision.metrics.evaluation import Evaluation
from vision.metrics.label_evaluation import LabelEvaluation
from vision.metrics.label_tables import mean_ratios
from vision.settings.errors import DataError

if TYPE_CHECKING:
    from vision.api import EvaluatedModel, RunResult


log = logging.getLogger(__name__)

# Custom Labels has no more labels; beyond, cells of 0 are left out of the confusions.
MOST_LABELS_WITH_ALL_CELLS = 250
_RATIOS = ("Precision", "Recall", "F1Score")
_WRAPPINGS = ("model", "model.tar.gz")


@dataclass(frozen=True)
class ModelVersion:
    """The name of an evaluated model as Custom Labels gives names: a version of a project.

    ``project`` is the kind of model, ``version`` the run. ``evaluated_at`` has a time zone.
    """

    project: str
    version: str
    num_training_images: int
    evaluated_at: datetime

    @classmethod
    def now(cls, algorithm: str, name: str, num_training_images: int) -> ModelVersion:
        """Return the version that stands for the run of that name, evaluated now."""
        return cls(_plain(algorithm.replace("_", "-")), _plain(name), num_training_images, datetime.now(UTC))

    @property
    def arn(self) -> str:
        """A name of the form that tools expect; no account is behind it."""
        milliseconds = round(self.evaluated_at.timestamp() * 1000)
        place = "arn:aws:rekognition:local:000000000000"
        return f"{place}:project/{self.project}/version/{self.version}/{milliseconds}"

    @property
    def timestamp(self) -> str:
        """The time of the evaluation in UTC, without a time zone, as Custom Labels writes it."""
        return self.evaluated_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

    @property
    def file_stem(self) -> str:
        """The end of the names of the files."""
        return f"{self.project}-{self.version}"


def run_name(path: Path) -> str:
    """Return the name of a run folder, given the folder itself or the model folder or archive in it."""
    path = path.absolute()
    return (path.parent if path.name in _WRAPPINGS else path).name.removesuffix(".tar.gz")


def write_run_files(folder: Path, result: RunResult) -> None:
    """Write the files for the evaluation at the end of a run."""
    num_images = result.job.hyperparameters.num_training_samples
    version = ModelVersion.now(result.job.algorithm, result.folder.name, num_images)
    write_label_files(folder, result.evaluation, version, result.validation)


def write_evaluation_files(folder: Path, evaluated: EvaluatedModel, model: Path) -> list[Path]:
    """Write the files for an evaluation of ``model``, a path, and return their paths."""
    stored = evaluated.stored
    num_images = int(stored.hyperparameters.get("num_training_samples", 0))
    version = ModelVersion.now(stored.algorithm, run_name(model), num_images)
    return write_label_files(folder, evaluated.evaluation, version, evaluated.validation)


def write_label_files(folder: Path, evaluation: Evaluation, version: ModelVersion, reader: Reader) -> list[Path]:
    """Write the summary, and the manifest if the images can be read again; return the paths.

    An evaluation without labels leaves no file.
    """
    if evaluation.labels is None:
        return []
    written = [write_summary(folder, evaluation.labels, version)]
    path = folder / f"EvaluationManifest-{version.file_stem}.manifest"
    try:
        write_manifest(path, evaluation.labels, version.timestamp, reader)
    except DataError as error:
        log.warning("the evaluation manifest was not written: %s", error)
    else:
        written.append(path)
    return written


def write_summary(folder: Path, labels: LabelEvaluation, version: ModelVersion) -> Path:
    """Write ``EvaluationSummary-<project>-<version>.json`` and return its path."""
    path = folder / f"EvaluationSummary-{version.file_stem}.json"
    write_whole(path, json.dumps(summary(labels, version), indent=1, allow_nan=False) + "\n")
    return path


def summary(labels: LabelEvaluation, version: ModelVersion) -> dict[str, Any]:
    """Return the summary's document. Labels without a true example have no figures; a precision of nothing is 0."""
    return {
        "Version": 1,
        "EvaluationDetails": {
            "ProjectVersionArn": version.arn,
            "EvaluationEndTimestamp": version.timestamp,
            "Labels": list(labels.class_names),
            "NumberOfTrainingImages": version.num_training_images,
            "NumberOfTestingImages": len(labels.image_indices),
        },
        "AggregatedEvaluationResults": _aggregated(labels),
        "LabelEvaluationResults": _by_label(labels),
    }


def confusion_shares(labels: LabelEvaluation) -> np.ndarray:
    """Return the share of each label's images (rows) that got each label (columns), float64 [K, K].

    A row need not add up to 1: an image may get several labels or none. A label that an image got and has too is no
    confusion with its other labels.
    """
    decisions = labels.decisions
    cells = np.zeros((len(labels.class_names),) * 2)
    for rows in np.split(np.arange(len(decisions.image)), np.flatnonzero(np.diff(decisions.image)) + 1):
        true = decisions.label[rows[decisions.is_true[rows]]]
        wrong = decisions.label[rows[decisions.is_assigned[rows] & ~decisions.is_true[rows]]]
        right = decisions.label[rows[decisions.is_assigned[rows] & decisions.is_true[rows]]]
        cells[np.ix_(true, wrong)] += 1
        cells[right, right] += 1
    return cells / np.maximum(labels.counts.support, 1)[:, None]


def _aggregated(labels: LabelEvaluation) -> dict[str, Any]:
    means = {name: _number(mean) for name, mean in zip(_RATIOS, mean_ratios(labels.counts), strict=True)}
    if labels.average_precision is None:
        return means | {"ConfusionMatrix": _confusion_cells(labels)}
    return means | {
        "AveragePrecision": _number(labels.average_precision),
        "AverageRecall": _number(labels.average_recall),
    }


def _by_label(labels: LabelEvaluation) -> list[dict[str, Any]]:
    """By falling F1."""
    ratios = [labels.counts.precision(), labels.counts.recall(), labels.counts.f1()]
    results = [
        {
            "Label": name,
            "NumberOfTestingImages": int(labels.num_images[label]),
            "Metrics": {
                "Threshold": float(labels.thresholds[label]),
                **{metric: _number(ratio[label]) for metric, ratio in zip(_RATIOS, ratios, strict=True)},
            },
        }
        for label, name in enumerate(labels.class_names)
        if labels.counts.support[label]
    ]
    return sorted(results, key=lambda result: -result["Metrics"]["F1Score"])


def _confusion_cells(labels: LabelEvaluation) -> list[dict[str, Any]]:
    shares = confusion_shares(labels)
    names = labels.class_names
    has_all = len(names) <= MOST_LABELS_WITH_ALL_CELLS
    return [
        {"GroundTruthLabel": names[truth], "PredictedLabel": names[assigned], "Value": float(shares[truth, assigned])}
        for truth in np.flatnonzero(labels.counts.support)
        for assigned in range(len(names))
        if has_all or shares[truth, assigned]
    ]


def _number(value: float | None) -> float:
    return 0.0 if value is None or np.isnan(value) else float(value)


def _plain(name: str) -> str:
    """Letters, digits, dots, underscores and hyphens only, as names of projects and versions must be."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:100].strip("-.") or "model"


def write_manifest(path: Path, labels: LabelEvaluation, timestamp: str, reader: Reader) -> None:
    """Write the manifest, or raise DataError and leave no file if an image that is needed cannot be read again.

    What is neither true nor assigned has no entry. A missed object has its detection below the threshold, or its own
    box with confidence 0.
    """
    with AtomicFile(path) as file:
        for line in manifest_lines(labels, timestamp, reader):
            file.write(json.dumps(line) + "\n")


def manifest_lines(labels: LabelEvaluation, timestamp: str, reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield one JSON object for each image, in the reader's order."""
    image = labels.decisions.image
    ends = np.searchsorted(image, [labels.image_indices, labels.image_indices + 1]).T
    for index, (first, last) in zip(labels.image_indices.tolist(), ends.tolist(), strict=True):

        def size_px(index: int = index) -> tuple[int, int]:
            sample = reader[index]
            return image_size(sample.encoded, sample.key)

        rows = range(first, last)
        yield {"source-ref": source_ref(reader, index), **labels.annotate(labels, index, rows, timestamp, size_px)}


def source_ref(reader: Reader, index: int) -> str:
    """Return the image's path if it is a file, else the name of its record."""
    return str(reader.path(index)) if isinstance(reader, Located) else reader.key(index)
