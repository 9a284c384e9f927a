"""Each label by itself: its threshold, what reaches it, and whether that is right, as Rekognition Custom Labels does.

``annotate_*`` give this for one image as the attributes of a Ground Truth line, those of Custom Labels' evaluation
manifest (sagemaker-contract, section 10.2). N images, K classes, d and t all detections and objects, o decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from vision.metrics.average_precision import AveragePrecision, DetectionRecords
from vision.metrics.confusion import DecisionCounts
from vision.metrics.score_curve import ScoreCurve

STEPS = np.linspace(0, 1, 101).round(2)
TRUTH, FOUND = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
DETAILS = f"{FOUND}-details"
# (evaluation, index of the image, rows of its decisions, timestamp, function that gives its width and height).
Annotate: TypeAlias = "Callable[[LabelEvaluation, int, range, str, Callable[[], tuple[int, int]]], dict[str, object]]"


@dataclass(frozen=True, eq=False)
class Decisions:
    """One row for what is true or was assigned, ordered by image; the many labels that are neither have none.

    ``image`` int64 [o] are the images' indices, ``label`` int64 [o], ``confidence`` float64 [o] from 0 to 1,
    ``is_assigned`` bool [o] whether it reaches the label's threshold, ``is_true`` bool [o]. ``boxes_xyxy_unit``
    float32 [o, 4] are the detections' (of an object that nothing fell on, its own, with confidence 0); None for
    labels of whole images.
    """

    image: np.ndarray
    label: np.ndarray
    confidence: np.ndarray
    is_assigned: np.ndarray
    is_true: np.ndarray
    boxes_xyxy_unit: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """``thresholds`` float64 [K]: from that score on a label is assigned; NaN where none was given and nothing is true.

    ``are_assumed``: chosen here for the best F1, at least in part. ``counts`` are those of all decisions at the
    thresholds, ``by_step`` those with one of STEPS for all labels; of boxes, true negatives count as 0. ``num_images``
    int64 [K] have the label. ``records`` hold the true boxes; None, like the two averages over labels (at the overlap
    that average precision was asked for), for labels of whole images. ``annotate`` writes one image's attributes of an
    evaluation manifest.
    """

    class_names: tuple[str, ...]
    thresholds: np.ndarray
    are_assumed: bool
    counts: DecisionCounts
    by_step: tuple[DecisionCounts, ...]
    num_images: np.ndarray
    image_indices: np.ndarray
    decisions: Decisions
    annotate: Annotate
    records: DetectionRecords | None = None
    average_precision: float | None = None
    average_recall: float | None = None

    def threshold_of(self) -> dict[str, float]:
        """Return the thresholds by class name, of the classes that have one."""
        pairs = zip(self.class_names, self.thresholds.tolist(), strict=True)
        return {name: threshold for name, threshold in pairs if not np.isnan(threshold)}


def evaluate_image_labels(
    probabilities: np.ndarray,
    truth: np.ndarray,
    class_names: tuple[str, ...],
    indices: np.ndarray,
    given: Sequence[float | None] | None,
) -> LabelEvaluation:
    """Evaluate probabilities [N, K] and bool [N, K] of images ``indices`` [N]; ``given`` are users' thresholds."""
    num_images = np.count_nonzero(truth, axis=0)
    # One at a time: of many images and classes, all curves together would fill the memory.
    curves = (
        ScoreCurve.of_scores(probabilities[:, label], truth[:, label], int(num_images[label]))
        for label in range(len(class_names))
    )
    thresholds, are_assumed, counts, by_step = _count(curves, given, len(class_names), len(indices))
    is_assigned = probabilities >= thresholds
    rows, labels = np.nonzero(is_assigned | truth)
    decisions = Decisions(
        image=indices[rows],
        label=labels,
        confidence=np.nan_to_num(probabilities[rows, labels].astype(np.float64)),
        is_assigned=is_assigned[rows, labels],
        is_true=truth[rows, labels],
    )
    return LabelEvaluation(
        class_names, thresholds, are_assumed, counts, by_step, num_images, indices, decisions, annotate_image
    )


def evaluate_box_labels(
    records: DetectionRecords,
    found: AveragePrecision,
    class_names: tuple[str, ...],
    given: Sequence[float | None] | None,
) -> LabelEvaluation:
    """Evaluate merged records and what average precision found in them. Difficult objects count neither way."""
    num_classes = len(class_names)
    is_hit = found.truth_of >= 0
    curves = []
    for label in range(num_classes):
        used = found.is_counted & (records.detection_labels == label)
        scores = records.detection_scores[used]
        curves.append(ScoreCurve.of_scores(scores, is_hit[used], int(found.num_truths[label])))
    thresholds, are_assumed, counts, by_step = _count(curves, given, num_classes, None)
    is_easy = ~records.truth_difficult
    pairs = np.unique(np.stack([records.truth_image[is_easy], records.truth_labels[is_easy]]), axis=1)
    return LabelEvaluation(
        class_names,
        thresholds,
        are_assumed,
        counts,
        by_step,
        num_images=np.bincount(pairs[1], minlength=num_classes),
        image_indices=records.image_indices,
        decisions=_box_decisions(records, found, thresholds),
        annotate=annotate_boxes,
        records=records,
        average_precision=found.mean,
        average_recall=by_step[0].macro(by_step[0].recall()) if found.num_truths.any() else 0.0,
    )


def _count(
    curves: Iterable[ScoreCurve], given: Sequence[float | None] | None, num_classes: int, num_images: int | None
) -> tuple[np.ndarray, bool, DecisionCounts, tuple[DecisionCounts, ...]]:
    """Thresholds [K], whether any was chosen, the counts at them and at each step; None images: no true negatives."""
    given = [None] * num_classes if given is None else given
    thresholds = np.empty(num_classes)
    columns = np.empty((3, len(STEPS) + 1, num_classes), dtype=np.int64)
    for label, (curve, threshold) in enumerate(zip(curves, given, strict=True)):
        thresholds[label] = curve.best_f1_threshold() if threshold is None else threshold
        # Without a threshold nothing passes.
        columns[:, :, label] = curve.counts_at(np.append(STEPS, np.nan_to_num(thresholds[label], nan=np.inf)))
    others = np.zeros_like(columns[0]) if num_images is None else num_images - columns.sum(axis=0)
    *by_step, counts = (DecisionCounts(*(column[step] for column in (*columns, others))) for step in range(len(others)))
    return thresholds, None in given, counts, tuple(by_step)


def _box_decisions(records: DetectionRecords, found: AveragePrecision, thresholds: np.ndarray) -> Decisions:
    scores = records.detection_scores.astype(np.float64)
    passes = scores >= thresholds[records.detection_labels]
    hits = np.flatnonzero(found.truth_of >= 0)
    alarms = np.flatnonzero((found.truth_of < 0) & found.is_counted & passes)
    is_reached = np.zeros(len(records.truth_labels), dtype=bool)
    is_reached[found.truth_of[hits]] = True
    unseen = np.flatnonzero(~is_reached & ~records.truth_difficult)
    detections = np.concatenate([hits, alarms])
    image = np.concatenate([records.detection_image[detections], records.truth_image[unseen]])
    order = np.argsort(image, kind="stable")
    nothing = np.zeros(len(unseen))
    columns = (
        image,
        np.concatenate([records.detection_labels[detections], records.truth_labels[unseen]]),
        np.concatenate([scores[detections], nothing]),
        np.concatenate([passes[detections], nothing > 0]),
        np.repeat([True, False, True], [len(hits), len(alarms), len(unseen)]),
        np.concatenate([records.detection_boxes[detections], records.truth_boxes[unseen]]),
    )
    return Decisions(*(column[order] for column in columns))


def annotate_image(
    labels: LabelEvaluation, index: int, rows: range, timestamp: str, size_px: Callable[[], tuple[int, int]]
) -> dict[str, object]:
    """Return an attribute for each label of the whole image: the true ones, then the assigned ones."""
    decisions = labels.decisions
    line: dict[str, object] = {}
    for number, row in enumerate(row for row in rows if decisions.is_true[row]):
        line |= _image_label(f"{TRUTH}-{number}", labels, row, _common(TRUTH, timestamp), 1.0)
    for number, row in enumerate(rows):
        extra = _common(FOUND, timestamp) | {DETAILS: _details(labels, row)}
        line |= _image_label(f"{FOUND}-{number}", labels, row, extra, float(decisions.confidence[row]))
    return line


def annotate_boxes(
    labels: LabelEvaluation, index: int, rows: range, timestamp: str, size_px: Callable[[], tuple[int, int]]
) -> dict[str, object]:
    """Return an attribute with all true boxes and one with all found ones, in pixels."""
    decisions, records = labels.decisions, labels.records
    assert decisions.boxes_xyxy_unit is not None
    assert records is not None
    width, height = size_px()
    first, last = np.searchsorted(records.truth_image, [index, index + 1])
    found = slice(rows.start, rows.stop)
    objects = [{"confidence": float(decisions.confidence[row]), DETAILS: _details(labels, row)} for row in rows]
    sides = (
        (f"{TRUTH}-0", TRUTH, records.truth_labels[first:last], records.truth_boxes[first:last], None),
        (FOUND, FOUND, decisions.label[found], decisions.boxes_xyxy_unit[found], objects),
    )
    line: dict[str, object] = {}
    for attribute, job, classes, boxes, its_objects in sides:
        annotations = [_box(*pair, (width, height)) for pair in zip(classes.tolist(), boxes, strict=True)]
        size = {"width": width, "height": height, "depth": 3}
        line[attribute] = {"annotations": annotations, "image_size": [size]}
        line[f"{attribute}-metadata"] = {
            "objects": [{"confidence": 1.0}] * len(annotations) if its_objects is None else its_objects,
            "class-map": {str(label): labels.class_names[label] for label in sorted(set(classes.tolist()))},
            "type": "groundtruth/object-detection",
            **_common(job, timestamp),
        }
    return line


def _image_label(
    attribute: str, labels: LabelEvaluation, row: int, common: dict[str, object], confidence: float
) -> dict[str, object]:
    label = int(labels.decisions.label[row])
    metadata = {
        "confidence": confidence,
        "class-name": labels.class_names[label],
        "type": "groundtruth/image-classification",
        **common,
    }
    return {attribute: label, f"{attribute}-metadata": metadata}


def _box(label: int, box_xyxy_unit: np.ndarray, size_px: tuple[int, int]) -> dict[str, int]:
    """A box in whole pixels, never empty."""
    left, top, right, bottom = (round(float(side)) for side in box_xyxy_unit * np.array([*size_px, *size_px]))
    return {
        "class_id": label,
        "left": left,
        "top": top,
        "width": max(right - left, 1),
        "height": max(bottom - top, 1),
    }


def _common(job: str, timestamp: str) -> dict[str, object]:
    human = "yes" if job == TRUTH else "no"
    return {"job-name": f"{job}-job", "human-annotated": human, "creation-date": timestamp}


def _details(labels: LabelEvaluation, row: int) -> dict[str, object]:
    is_assigned, is_true = bool(labels.decisions.is_assigned[row]), bool(labels.decisions.is_true[row])
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [f"{TRUTH}-job"],
        "is-true-positive": is_assigned and is_true,
        "is-true-negative": not is_assigned and not is_true,
        "is-false-positive": is_assigned and not is_true,
        "is-false-negative": not is_assigned and is_true,
        "is-present-in-ground-truth": is_true,
    }
