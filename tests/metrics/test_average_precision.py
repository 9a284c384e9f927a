from __future__ import annotations

import contextlib
import io
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vision.metrics.average_precision import (
    AveragePrecisionSettings,
    DetectionRecords,
    average_precision,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "multibox"
EXPECTED = json.loads((FIXTURES / "map_expected.json").read_text())
CASES = np.load(FIXTURES / "map_cases.npz")
NUM_CLASSES = 5


def records_of_padded(
    image_indices: np.ndarray,
    detections: tuple[np.ndarray, np.ndarray, np.ndarray],
    truths: tuple[np.ndarray, np.ndarray],
    difficult: np.ndarray | None = None,
) -> DetectionRecords:
    """From boxes [N, D, 4], scores and labels [N, D], and boxes [N, M, 4] and labels [N, M], -1 for padding."""
    boxes, scores, labels = detections
    true_boxes, true_labels = truths
    is_detection, is_truth = labels >= 0, true_labels >= 0
    difficult = np.zeros(true_labels.shape, dtype=bool) if difficult is None else difficult
    return DetectionRecords(
        image_indices=image_indices,
        detection_image=image_indices[np.nonzero(is_detection)[0]],
        detection_boxes=boxes[is_detection].astype(np.float32),
        detection_scores=scores[is_detection].astype(np.float32),
        detection_labels=labels[is_detection].astype(np.int64),
        truth_image=image_indices[np.nonzero(is_truth)[0]],
        truth_boxes=true_boxes[is_truth].astype(np.float32),
        truth_labels=true_labels[is_truth].astype(np.int64),
        truth_difficult=difficult[is_truth],
    )


def as_mxnet_counts(records: DetectionRecords, settings: AveragePrecisionSettings) -> DetectionRecords:
    """Change records so that our counting gives the figures of MXNet's SSD example, which counts otherwise.

    Images without objects are left out together with their false positives. An image in which a class is never
    detected counts that class's difficult objects too; one in which all detections of a class fell on difficult
    objects counts none.
    """
    is_kept = np.isin(records.detection_image, records.truth_image)
    detections = {name: getattr(records, name)[is_kept] for name in vars(records) if name.startswith("detection")}
    records = DetectionRecords.merge([replace(records, image_indices=np.unique(records.truth_image), **detections)])
    used = average_precision(records, NUM_CLASSES, settings).is_counted
    detected = records.detection_image * NUM_CLASSES + records.detection_labels
    group = records.truth_image * NUM_CLASSES + records.truth_labels
    is_counted = (np.isin(group, detected[used]) & ~records.truth_difficult) | ~np.isin(group, detected)
    return replace(records, truth_difficult=~is_counted)


def fixture_records(label_columns: int = 6, use_difficult: bool = False) -> DetectionRecords:
    label, detection = CASES["label"], CASES["detection"]
    difficult = label[..., 5] > 0 if label_columns == 6 and not use_difficult else None
    return records_of_padded(
        np.arange(14),
        (detection[..., 2:], detection[..., 1], detection[..., 0].astype(int)),
        (label[..., 1:5], label[..., 0].astype(int)),
        difficult,
    )


@pytest.mark.parametrize("key", EXPECTED)
def test_counting_like_mxnet_gives_its_figures(key: str) -> None:
    metric, *pairs = key.split("|")
    options = dict(pair.split("=") for pair in pairs)
    settings = AveragePrecisionSettings(
        overlap_threshold=float(options["ovp"]),
        interpolation="11-point" if metric.startswith("VOC07") else "area",
    )
    records = fixture_records(int(options["label_cols"]), options["use_difficult"] == "True")
    records = as_mxnet_counts(records, settings)
    result = average_precision(records, NUM_CLASSES, settings)
    # A class that is detected but never present enters MXNet's mean as 0.
    is_detected = np.isin(np.arange(NUM_CLASSES), records.detection_labels[result.is_counted])
    per_class = np.where(np.isnan(result.per_class) & is_detected, 0.0, result.per_class)
    mean = np.nanmean(per_class)
    if options["class_names"] == "True":
        np.testing.assert_allclose([*per_class, mean], EXPECTED[key]["value"], rtol=1e-12)
    else:
        assert mean == pytest.approx(EXPECTED[key]["value"], rel=1e-12)


BOX, OTHER, FAR = [0.1, 0.1, 0.4, 0.4], [0.1, 0.1, 0.4, 0.38], [0.6, 0.6, 0.9, 0.9]
TRUTH, HARD = (0, BOX, False), (0, BOX, True)


def records_of(images: list[tuple[list[tuple], list[tuple]]]) -> DetectionRecords:
    """From (detections (label, box, score), truths (label, box, difficult)) of each image."""
    parts = []
    for index, (found, true) in enumerate(images):
        labels, boxes, scores = (
            (np.array(column)[None] for column in zip(*found, strict=True))
            if found
            else (
                np.full((1, 1), -1),
                np.zeros((1, 1, 4)),
                np.zeros((1, 1)),
            )
        )
        true_labels, true_boxes, hard = (
            (np.array(column)[None] for column in zip(*true, strict=True))
            if true
            else (
                np.full((1, 1), -1),
                np.zeros((1, 1, 4)),
                np.zeros((1, 1), bool),
            )
        )
        parts.append(records_of_padded(np.array([index]), (boxes, scores, labels), (true_boxes, true_labels), hard))
    return DetectionRecords.merge(parts)


@pytest.mark.parametrize(
    ("images", "area", "eleven_point"),
    [
        pytest.param([([(0, BOX, 0.9)], [TRUTH])], 1.0, 1.0, id="found"),
        pytest.param([([], [TRUTH])], 0.0, 0.0, id="not found"),
        pytest.param([([(0, FAR, 0.9)], [TRUTH])], 0.0, 0.0, id="elsewhere"),
        pytest.param([([(0, OTHER, 0.9), (0, BOX, 0.8)], [TRUTH])], 1.0, 1.0, id="found twice after recall 1"),
        pytest.param(
            [([(0, OTHER, 0.9), (0, BOX, 0.8)], [TRUTH]), ([(0, BOX, 0.5)], [TRUTH])],
            0.5 + 0.5 * 2 / 3,
            (6 + 5 * 2 / 3) / 11,
            id="the second find is wrong",
        ),
        pytest.param([([(0, BOX, 0.9)], []), ([(0, BOX, 0.8)], [TRUTH])], 0.5, 0.5, id="false alarm on empty image"),
        pytest.param([([(0, BOX, 0.9)], [HARD]), ([(0, BOX, 0.8)], [TRUTH])], 1.0, 1.0, id="difficult is neutral"),
        pytest.param([([], [HARD]), ([(0, BOX, 0.8)], [TRUTH])], 1.0, 1.0, id="difficult need not be found"),
        pytest.param([([(0, BOX, 0.9)], [TRUTH]), ([], [TRUTH])], 0.5, 6 / 11, id="half found"),
        pytest.param([([(1, BOX, 0.9)], [TRUTH])], 0.0, 0.0, id="another class"),
    ],
)
def test_by_hand(images: list, area: float, eleven_point: float) -> None:
    records = records_of(images)
    for interpolation, expected in (("area", area), ("11-point", eleven_point)):
        result = average_precision(records, 2, AveragePrecisionSettings(interpolation=interpolation))
        assert result.per_class[0] == pytest.approx(expected)
        assert np.isnan(result.per_class[1])  # no object: undefined, and not part of the mean
        assert result.mean == pytest.approx(expected)


def test_nothing_to_evaluate_is_zero() -> None:
    result = average_precision(records_of([([], [])]), 3, AveragePrecisionSettings())
    assert result.mean == 0.0
    assert np.isnan(result.per_class).all()


def test_curve_has_a_point_per_detection() -> None:
    images = [([(0, BOX, 0.9), (0, FAR, 0.7)], [TRUTH]), ([(0, BOX, 0.8)], [TRUTH])]
    (recall, precision, score), _ = average_precision(records_of(images), 2, AveragePrecisionSettings()).curves
    np.testing.assert_allclose(recall, [0.5, 1.0, 1.0])
    np.testing.assert_allclose(precision, [1.0, 1.0, 2 / 3])
    np.testing.assert_allclose(score, [0.9, 0.8, 0.7], rtol=1e-6)


def test_parts_of_several_processes_merge_to_the_same() -> None:
    whole = fixture_records()
    detection, label = CASES["detection"], CASES["label"]
    shards = []
    for indices in ([0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 9, 11, 13], [0, 1]):  # the last fills a batch
        part = records_of_padded(
            np.array(indices),
            (detection[indices, :, 2:], detection[indices, :, 1], detection[indices, :, 0].astype(int)),
            (label[indices, :, 1:5], label[indices, :, 0].astype(int)),
            label[indices, :, 5] > 0,
        )
        shards.append(pickle.loads(pickle.dumps(part)))
    merged = DetectionRecords.merge(shards)
    for name in DetectionRecords.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))


def test_agrees_with_pycocotools() -> None:
    """COCO's 101-point mean at one IoU; the boxes are far apart, so that both match alike."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    generator = np.random.default_rng(5)
    images, annotations, results = [], [], []
    for image in range(60):
        found, true = [], []
        for cell in range(9):
            corner = np.array([cell % 3, cell // 3]) * 100.0
            box = np.concatenate((corner + 10, corner + 70))
            label = int(generator.integers(3))
            if generator.random() < 0.6:
                true.append((label, box, False))
                annotations.append(
                    dict(image_id=image, category_id=label, bbox=[*box[:2], 60.0, 60.0], area=3600.0, iscrowd=0)
                )
            if generator.random() < 0.7:
                box = box + np.repeat(generator.integers(-12, 13, 1), 4)
                label = label if generator.random() < 0.8 else int(generator.integers(3))
                score = float(np.float32(generator.random()))
                found.append((label, box, score))
                results.append(dict(image_id=image, category_id=label, bbox=[*box[:2], 60.0, 60.0], score=score))
        images.append((found, true))
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=image) for image in range(60)],
        annotations=[dict(id=i + 1, **annotation) for i, annotation in enumerate(annotations)],
        categories=[dict(id=label) for label in range(3)],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    expected = evaluation.eval["precision"][0, :, :, 0, 2]  # [101, C]

    result = average_precision(records_of(images), 3, AveragePrecisionSettings())
    for label, (recall, precision, _) in enumerate(result.curves):
        points = [precision[recall >= level].max(initial=0.0) for level in np.linspace(0, 1, 101)]
        np.testing.assert_allclose(points, expected[:, label], atol=1e-9)
        assert result.per_class[label] == pytest.approx(expected[:, label].mean(), abs=0.01)
