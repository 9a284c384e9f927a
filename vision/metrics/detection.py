"""The evaluation of a detector, from the detections and objects of all images: figures, tables, curves, pictures.

Average precision as COCO defines it is counted by torchmetrics. d and t are all detections and objects, C classes
without background.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vision.metrics.average_precision import (
    AveragePrecision,
    AveragePrecisionSettings,
    DetectionRecords,
    average_precision,
)
from vision.metrics.box_pairs import MATCH_IOU, confusion_with_background, pair_boxes
from vision.metrics.calibration import reliability_diagram
from vision.metrics.evaluation import Curves, Evaluation, Matrix, Table
from vision.metrics.galleries import SHOWN_SCORE, galleries
from vision.metrics.label_evaluation import evaluate_box_labels
from vision.metrics.label_tables import with_labels
from vision.settings.counted import counted

if TYPE_CHECKING:
    from torch import Tensor

# The score from which a detection counts in precision, recall and confusions; average precision needs none.
DECISION_SCORE = 0.5
MOST_CURVES = 20
MOST_CURVE_POINTS = 200
BACKGROUND = "background"
_COCO_NAMES = {"mAP": "map", "mAP_50": "map_50", "mAP_75": "map_75"}


def evaluation_of_detection(
    records: DetectionRecords,
    class_names: Sequence[str],
    *,
    overlap_threshold: float,
    keys: Callable[[int], str],
    thresholds: Sequence[float | None] | None = None,
) -> Evaluation:
    """Evaluate the records; ``overlap_threshold`` is the IoU above which VOC's mAP takes an object for found.

    ``keys`` names an image by its index. ``thresholds`` of the classes take the place of those of best F1. Means run
    over the classes that have objects here.
    """
    names = tuple(class_names)
    num_classes = len(names)
    records = DetectionRecords.merge([records])
    area, eleven = (
        average_precision(records, num_classes, AveragePrecisionSettings(overlap_threshold, interpolation))
        for interpolation in ("area", "11-point")
    )
    labels = evaluate_box_labels(records, area, names, thresholds)
    confusion = confusion_with_background(records, pair_boxes(records, DECISION_SCORE), num_classes)
    # A class without objects has no threshold to judge its detections by.
    judged_by = np.nan_to_num(labels.thresholds, nan=DECISION_SCORE)[records.detection_labels]
    reliability, calibration_error = _reliability(records, area)
    sides = (*names, BACKGROUND)
    found = Evaluation(
        num_images=len(records.image_indices),
        metrics={
            "mAP": area.mean,
            "mAP_11point": eleven.mean,
            **coco_precision(records),
            "calibration_error": calibration_error,
        },
        class_names=names,
        tables=(_per_class(records, area, names),),
        matrices=(Matrix("Confusion matrix", sides, sides, confusion),),
        curves=(*((_pr_curves(area, names),) if num_classes <= MOST_CURVES else ()), reliability),
        galleries=galleries(records, pair_boxes(records, judged_by), names, keys),
        notes=_notes(records, area, overlap_threshold),
    )
    return with_labels(found, labels)


def _per_class(records: DetectionRecords, found: AveragePrecision, names: tuple[str, ...]) -> Table:
    is_confident = records.detection_scores >= DECISION_SCORE
    detections = np.bincount(records.detection_labels[is_confident], minlength=len(names))
    rows = []
    for label, name in enumerate(names):
        objects = int(found.num_truths[label])
        precision, recall = _at_decision_score(found.curves[label])
        ap = float(found.per_class[label]) if objects else None
        rows.append((name, ap, precision, recall if objects else None, objects, int(detections[label])))
    shares = ("AP", "precision", "recall")
    return Table("Per class", ("class", *shares, "objects", "detections"), tuple(rows), shares=shares)


def _at_decision_score(curve: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[float | None, float]:
    recall, precision, scores = curve
    count = int(np.count_nonzero(scores >= DECISION_SCORE))
    return (float(precision[count - 1]), float(recall[count - 1])) if count else (None, 0.0)


def _pr_curves(found: AveragePrecision, names: tuple[str, ...]) -> Curves:
    series = {}
    for name, (recall, precision, _) in zip(names, found.curves, strict=True):
        if len(recall):
            kept = np.unique(np.linspace(0, len(recall) - 1, MOST_CURVE_POINTS).round().astype(np.int64))
            series[name] = (recall[kept], precision[kept])
    return Curves("PR curves", "recall", "precision", series)


def _reliability(records: DetectionRecords, found: AveragePrecision) -> tuple[Curves, float]:
    """Of the detections worth showing: the many of nearly no score are nearly never right and would hide the rest."""
    used = found.is_counted & (records.detection_scores >= SHOWN_SCORE)
    is_right = found.truth_of[used] >= 0
    return reliability_diagram(
        records.detection_scores[used], is_right, "score of the detection", "share that finds an object"
    )


def _notes(records: DetectionRecords, found: AveragePrecision, overlap_threshold: float) -> tuple[str, ...]:
    notes = [
        f"mAP is PASCAL VOC's area under the precision-recall curve (2010 to 2012) at IoU above {overlap_threshold:g}, "
        "mAP_11point that of VOC 2007; coco_mAP is the mean over IoU 0.5 to 0.95 as COCO counts.",
        f"Precision, recall and confusions count detections with a score of at least {DECISION_SCORE:g} (confusions at "
        f"IoU {MATCH_IOU:g}); calibration and pictures those from {SHOWN_SCORE:g}, false positives and misses "
        "those from the label's threshold.",
    ]
    absent = int(np.count_nonzero(found.num_truths == 0))
    if absent:
        notes.append(
            f"{absent} of {len(found.num_truths)} classes have no objects here; averages over classes leave them out."
        )
    difficult = int(np.count_nonzero(records.truth_difficult))
    if difficult:
        notes.append(
            f"{counted(difficult, 'object')} marked as difficult: need not be found, nor does it count if found."
        )
    return tuple(notes)


def coco_precision(records: DetectionRecords) -> dict[str, float]:
    """Return ``coco_mAP`` (mean over IoU 0.5, 0.55, ..., 0.95), ``coco_mAP_50``, ``coco_mAP_75``; 0 without objects.

    Difficult objects stand where COCO has crowds: they need not be found, and what falls on them is not counted.
    """
    from torchmetrics.detection import MeanAveragePrecision

    # It reports every figure of every call.
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)
    metric = MeanAveragePrecision(backend="faster_coco_eval")
    metric.warn_on_many_detections = False
    metric.update(*_lists(DetectionRecords.merge([records])))
    found = metric.compute()
    # -1 is COCO's word for undefined.
    return {f"coco_{ours}": max(float(found[theirs]), 0.0) for ours, theirs in _COCO_NAMES.items()}


def _lists(records: DetectionRecords) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """What torchmetrics takes: one dictionary of tensors for each image, detections [D] and objects [M]."""
    import torch

    detection, truth = (
        np.searchsorted(column, np.append(records.image_indices, np.iinfo(np.int64).max))
        for column in (records.detection_image, records.truth_image)
    )
    predictions, targets = [], []
    for i in range(len(records.image_indices)):
        found = slice(detection[i], detection[i + 1])
        predictions.append(
            {
                "boxes": torch.from_numpy(records.detection_boxes[found]),
                "scores": torch.from_numpy(records.detection_scores[found]),
                "labels": torch.from_numpy(records.detection_labels[found]),
            }
        )
        here = slice(truth[i], truth[i + 1])
        targets.append(
            {
                "boxes": torch.from_numpy(records.truth_boxes[here]),
                "labels": torch.from_numpy(records.truth_labels[here]),
                "iscrowd": torch.from_numpy(records.truth_difficult[here].astype(np.int64)),
            }
        )
    return predictions, targets
