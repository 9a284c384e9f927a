"""EvaluationSummary JSON: the figures of each label in the schema of Rekognition Custom Labels.

Source: sagemaker-contract, section 10.2. K classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vision.files.atomic_file import write_whole
from vision.metrics.label_evaluation import LabelEvaluation
from vision.metrics.label_tables import mean_ratios
from vision.reports.model_version import ModelVersion

# Custom Labels has no more labels; beyond, cells of 0 are left out of the confusions.
MOST_LABELS_WITH_ALL_CELLS = 250


def write_summary(folder: Path, labels: LabelEvaluation, version: ModelVersion) -> Path:
    """Write ``EvaluationSummary-<project>-<version>.json``."""
    path = folder / f"EvaluationSummary-{version.file_stem}.json"
    write_whole(path, json.dumps(summary(labels, version), indent=1, allow_nan=False) + "\n")
    return path


def summary(labels: LabelEvaluation, version: ModelVersion) -> dict[str, Any]:
    """The document. Labels without a true example have no figures; a precision of nothing is 0."""
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


def _aggregated(labels: LabelEvaluation) -> dict[str, Any]:
    means = {name: _number(mean) for name, mean in zip(_RATIOS, mean_ratios(labels.counts), strict=True)}
    if labels.records is None:
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


def confusion_shares(labels: LabelEvaluation) -> np.ndarray:
    """Of the images of each label (rows), the share that got each (columns) rightly or wrongly, float64 [K, K].

    A row need not add up to 1: an image may get several labels or none. What it got beside a label, and has too, is
    no confusion.
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


_RATIOS = ("Precision", "Recall", "F1Score")


def _number(value: float | None) -> float:
    return 0.0 if value is None or np.isnan(value) else float(value)
