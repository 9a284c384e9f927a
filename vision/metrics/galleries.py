"""Pictures worth looking at after an evaluation of a detector. d and t are all detections and objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vision.metrics.average_precision import DetectionRecords
from vision.metrics.box_pairs import BoxPairs
from vision.metrics.evaluation import Box, Example, Gallery
from vision.metrics.label_evaluation import LabelEvaluation
from vision.settings.counted import counted

SHOWN_SCORE = 0.3
MOST_SAMPLES = 16
MOST_MISTAKES = 32
# More boxes of a picture would hide it.
MOST_BOXES = 10


def galleries(
    records: DetectionRecords, pairs: BoxPairs, names: tuple[str, ...], keys: Callable[[int], str]
) -> tuple[Gallery, ...]:
    """Return galleries: predictions beside the truth on a fixed set of images, the worst false alarms and misses."""
    pictures = _Pictures(records, names, keys)
    return (
        Gallery("Sample predictions", _samples(pictures)),
        Gallery("False positives", _false_positives(pictures, pairs), of_mistakes=True),
        Gallery("Missed objects", _missed(pictures, pairs), of_mistakes=True),
    )


class _Pictures:
    """Makes examples of images; boxes by their rows in the records, which are ordered by image."""

    def __init__(self, records: DetectionRecords, names: tuple[str, ...], keys: Callable[[int], str]) -> None:
        self.records = records
        self.names = names
        self.keys = keys

    def example(self, index: int, caption: str, truths: np.ndarray, detections: np.ndarray) -> Example:
        """Return the picture with its first boxes of both kinds; of many, with half of each kind."""
        half = MOST_BOXES // 2
        shown_truths = truths[: max(half, MOST_BOXES - len(detections))].tolist()
        shown = detections[: MOST_BOXES - len(shown_truths)].tolist()
        boxes = [self._box("truth", row) for row in shown_truths] + [self._box("prediction", row) for row in shown]
        left_out = len(truths) + len(detections) - len(boxes)
        more = f" ({left_out} more boxes)" if left_out else ""
        return Example(index, self.keys(index), caption + more, tuple(boxes))

    def near(self, rows: np.ndarray, boxes_xyxy_unit: np.ndarray, box_xyxy_unit: np.ndarray) -> np.ndarray:
        """Return rows of boxes [n, 4], those whose center is nearest to that of a box first."""
        offsets = (boxes_xyxy_unit[rows] - box_xyxy_unit).reshape(-1, 2, 2).sum(axis=1)
        return rows[np.argsort((offsets**2).sum(axis=1), kind="stable")]

    def truths(self, index: int) -> np.ndarray:
        """Return the rows of the image's objects."""
        return np.flatnonzero(self.records.truth_image == index)

    def detections(self, index: int) -> np.ndarray:
        """Return the rows of the image's detections that are shown, by falling score."""
        r = self.records
        rows = np.flatnonzero((r.detection_image == index) & (r.detection_scores >= SHOWN_SCORE))
        return rows[np.argsort(-r.detection_scores[rows], kind="stable")]

    def name(self, role: str, row: int) -> str:
        labels = self.records.truth_labels if role == "truth" else self.records.detection_labels
        return self.names[labels[row]]

    def _box(self, role: str, row: int) -> Box:
        name = self.name(role, row)
        if role == "truth":
            return Box(_corners(self.records.truth_boxes[row]), name, "truth")
        caption = f"{name} {self.records.detection_scores[row]:.2f}"
        return Box(_corners(self.records.detection_boxes[row]), caption, "prediction")


def _samples(pictures: _Pictures) -> tuple[Example, ...]:
    indices = pictures.records.image_indices
    places = np.unique(np.linspace(0, max(len(indices) - 1, 0), MOST_SAMPLES).round().astype(np.int64))
    examples = []
    for index in indices[places[: len(indices)]].tolist():
        truths, detections = pictures.truths(index), pictures.detections(index)
        caption = f"{_objects(len(truths))} / predicted {_objects(len(detections))}"
        examples.append(pictures.example(index, caption, truths, detections))
    return tuple(examples)


def _false_positives(pictures: _Pictures, pairs: BoxPairs) -> tuple[Example, ...]:
    """Confident detections of something else or of nothing, by falling score."""
    records = pictures.records
    found = pairs.truth_of >= 0
    is_wrong = ~found
    paired = pairs.truth_of[found]
    is_wrong[found] = (records.truth_labels[paired] != records.detection_labels[pairs.detections[found]]) & (
        ~records.truth_difficult[paired]
    )
    wrong = np.flatnonzero(is_wrong)
    order = np.argsort(-records.detection_scores[pairs.detections[wrong]], kind="stable")[:MOST_MISTAKES]
    examples = []
    for place in wrong[order].tolist():
        row, truth = int(pairs.detections[place]), int(pairs.truth_of[place])
        index = int(records.detection_image[row])
        what = pictures.name("truth", truth) if truth >= 0 else "background"
        caption = f"truth {what} / predicted {pictures.name('prediction', row)} {records.detection_scores[row]:.2f}"
        truths = pictures.near(pictures.truths(index), records.truth_boxes, records.detection_boxes[row])
        examples.append(pictures.example(index, caption, truths, np.array([row])))
    return tuple(examples)


def _missed(pictures: _Pictures, pairs: BoxPairs) -> tuple[Example, ...]:
    """Objects that no confident detection fell on, the largest first."""
    records = pictures.records
    missed = np.flatnonzero(~pairs.is_found & ~records.truth_difficult)
    sides = records.truth_boxes[missed, 2:] - records.truth_boxes[missed, :2]
    order = np.argsort(-sides.prod(axis=1), kind="stable")[:MOST_MISTAKES]
    examples = []
    for row in missed[order].tolist():
        index = int(records.truth_image[row])
        caption = f"missed {pictures.name('truth', row)}"
        seen = pictures.near(pictures.detections(index), records.detection_boxes, records.truth_boxes[row])
        examples.append(pictures.example(index, caption, np.array([row]), seen))
    return tuple(examples)


def _objects(count: int) -> str:
    return counted(count, "object")


def _corners(box: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.tolist()
    return left, top, right, bottom


MOST_EXAMPLES = 32
MOST_NAMES = 3


def label_galleries(labels: LabelEvaluation, keys: Callable[[int], str]) -> tuple[Gallery, Gallery]:
    """Return the surest false positives and clearest misses at the labels' thresholds, one picture a decision."""
    decisions = labels.decisions
    wrong = np.flatnonzero(decisions.is_assigned & ~decisions.is_true)
    missed = np.flatnonzero(~decisions.is_assigned & decisions.is_true)
    wrong = wrong[np.argsort(-decisions.confidence[wrong], kind="stable")][:MOST_EXAMPLES]
    missed = missed[np.argsort(decisions.confidence[missed], kind="stable")][:MOST_EXAMPLES]
    return (
        Gallery("False positives", tuple(_false_positive(labels, row, keys) for row in wrong.tolist())),
        Gallery("Misses", tuple(_miss(labels, row, keys) for row in missed.tolist())),
    )


def listed(names: Sequence[str]) -> str:
    """List the first few, and how many more there are."""
    left_out = len(names) - MOST_NAMES
    more = f" and {left_out} more" if left_out > 0 else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more


def _false_positive(labels: LabelEvaluation, row: int, keys: Callable[[int], str]) -> Example:
    rows = _rows_of_image(labels, row)
    truth = listed([labels.class_names[labels.decisions.label[r]] for r in rows if labels.decisions.is_true[r]])
    index = int(labels.decisions.image[row])
    return Example(index, keys(index), f"truth {truth} / predicted {_scored(labels, row)}")


def _miss(labels: LabelEvaluation, row: int, keys: Callable[[int], str]) -> Example:
    assigned = [_scored(labels, r) for r in _rows_of_image(labels, row) if labels.decisions.is_assigned[r]]
    index = int(labels.decisions.image[row])
    return Example(index, keys(index), f"missed {_scored(labels, row)} / predicted {listed(assigned)}")


def _rows_of_image(labels: LabelEvaluation, row: int) -> list[int]:
    """Rows of the decisions about the same image."""
    image = labels.decisions.image
    return np.flatnonzero(image == image[row]).tolist()


def _scored(labels: LabelEvaluation, row: int) -> str:
    return f"{labels.class_names[labels.decisions.label[row]]} {labels.decisions.confidence[row]:.2f}"
