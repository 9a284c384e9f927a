from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.metrics.detection_records import records_of
from vision.metrics.average_precision import DetectionRecords
from vision.metrics.detection import coco_precision, evaluation_of_detection
from vision.metrics.evaluation import Evaluation

A, NEAR_A, FAR = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.45], [0.6, 0.6, 0.9, 0.9]
SMALL = [0.7, 0.1, 0.75, 0.15]

# Class "cat": three objects, two found, one false alarm between them. "dog": one object, found with little
# confidence. "owl": no objects.
IMAGES: list[Any] = [
    ([(0, A, 0.9), (0, SMALL, 0.8)], [(0, NEAR_A, False), (1, FAR, False)]),
    ([(0, FAR, 0.7), (1, A, 0.35)], [(0, FAR, False), (0, SMALL, False)]),
    ([(1, FAR, 0.4), (2, A, 0.2)], []),
]
IMAGES[0][0].append((1, FAR, 0.45))


def evaluate(
    *images: Any,
    threshold: float = 0.5,
    names: tuple[str, ...] = ("cat", "dog", "owl"),
    thresholds: list[float | None] | None = None,
) -> Evaluation:
    records = records_of(*images, indices=[7 * i + 2 for i in range(len(images))])
    return evaluation_of_detection(
        records, names, overlap_threshold=threshold, keys=lambda i: f"key {i}", thresholds=thresholds
    )


def test_figures_of_a_case_worked_by_hand() -> None:
    found = evaluate(*IMAGES)
    # Cats by score: hit, miss, hit of 3 objects: precision 1 up to recall 1/3, 2/3 up to 2/3.
    cat = 1 / 3 * 1 + 1 / 3 * 2 / 3
    dog = 1.0
    assert found.metrics["mAP"] == pytest.approx((cat + dog) / 2)
    # Of the levels 0, 0.1, ..., 1 four lie up to 1/3, three up to 2/3.
    assert found.metrics["mAP_11point"] == pytest.approx(((4 * 1 + 3 * 2 / 3) / 11 + 1) / 2)
    assert list(found.metrics) == [
        "mAP",
        "mAP_11point",
        "coco_mAP",
        "coco_mAP_50",
        "coco_mAP_75",
        "calibration_error",
    ]
    assert found.metrics["coco_mAP_50"] == pytest.approx(found.metrics["mAP"], abs=0.01)
    assert found.num_images == 3


def test_table_by_class() -> None:
    table = evaluate(*IMAGES).tables[1]
    assert table.columns == ("class", "AP", "precision", "recall", "objects", "detections")
    cat, dog, owl = table.rows
    assert cat == ("cat", pytest.approx(5 / 9), pytest.approx(2 / 3), pytest.approx(2 / 3), 3, 3)
    assert dog == ("dog", 1.0, None, 0.0, 1, 0)
    assert owl == ("owl", None, None, None, 0, 0)


def test_confusion_with_background() -> None:
    (matrix,) = evaluate(*IMAGES).matrices
    assert matrix.row_labels == matrix.column_labels == ("cat", "dog", "owl", "background")
    expected = [[2, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(matrix.counts, expected)


def test_curves() -> None:
    curves = evaluate(*IMAGES).curves[0]
    assert list(curves.series) == ["cat", "dog"]
    recall, precision = curves.series["cat"]
    np.testing.assert_allclose(recall, [1 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3])
    many = evaluate(*IMAGES, names=tuple(map(str, range(21)))).curves
    assert [curve.title for curve in many] == ["Calibration", "By threshold"]


def test_galleries() -> None:
    samples, alarms, missed = evaluate(*IMAGES).galleries
    assert [(e.index, e.key, e.caption) for e in samples.examples] == [
        (2, "key 2", "2 objects / predicted 3 objects"),
        (9, "key 9", "2 objects / predicted 2 objects"),
        (16, "key 16", "0 objects / predicted 1 object"),
    ]
    boxes = samples.examples[0].boxes
    assert [(box.role, box.caption) for box in boxes] == [
        ("truth", "cat"),
        ("truth", "dog"),
        ("prediction", "cat 0.90"),
        ("prediction", "cat 0.80"),
        ("prediction", "dog 0.45"),
    ]
    assert boxes[2].xyxy_unit == pytest.approx(A)
    assert [(e.index, e.caption) for e in alarms.examples] == [(2, "truth background / predicted cat 0.80")]
    assert [box.caption for box in alarms.examples[0].boxes] == ["cat", "dog", "cat 0.80"]
    # The dog's threshold is below its score.
    assert [(e.index, e.caption) for e in missed.examples] == [(9, "missed cat")]
    assert [box.role for box in missed.examples[0].boxes] == ["truth", "prediction", "prediction"]


def test_thresholds_decide_what_is_a_false_positive_and_what_is_missed() -> None:
    _, alarms, missed = evaluate(*IMAGES, thresholds=[0.85, 0.3, None]).galleries
    assert [(e.index, e.caption) for e in alarms.examples] == [
        (16, "truth background / predicted dog 0.40"),
        (9, "truth background / predicted dog 0.35"),
    ]
    assert [(e.index, e.caption) for e in missed.examples] == [(9, "missed cat"), (9, "missed cat")]


def test_calibration_is_of_detections_worth_showing() -> None:
    found = evaluate(([(0, A, 0.95), (0, SMALL, 0.94), (0, FAR, 0.35), (1, FAR, 0.25)], [(0, NEAR_A, False)]))
    stated, observed = found.curves[1].series["model"]
    np.testing.assert_allclose(stated, [0.35, 0.945], rtol=1e-6)
    np.testing.assert_allclose(observed, [0, 0.5])
    assert found.metrics["calibration_error"] == pytest.approx((0.35 + 2 * 0.445) / 3)


def test_samples_are_the_same_images_whatever_is_found() -> None:
    many: list[Any] = [([], [(0, A, False)])] * 100
    indices = [[e.index for e in evaluate(*many, *[image] * 3).galleries[0].examples] for image in IMAGES]
    assert indices[0] == indices[1] == indices[2]
    assert len(indices[0]) == 16


def test_wrong_class_is_a_false_positive_of_what_is_there() -> None:
    found = evaluate(([(1, A, 0.9)], [(0, A, False)]))
    assert [e.caption for e in found.galleries[1].examples] == ["truth cat / predicted dog 0.90"]
    assert found.galleries[2].examples == ()


def test_notes_say_which_map() -> None:
    notes = evaluate(([(0, A, 0.9)], [(0, A, True), (0, FAR, False)]), threshold=0.65).notes
    assert "area under the precision-recall curve (2010 to 2012) at IoU above 0.65" in notes[1]
    assert "2 of 3 classes have no objects here" in notes[3]
    assert notes[4].startswith("1 object marked as difficult")


def test_overlap_threshold_decides_what_is_found() -> None:
    # The IoU of the two is 0.875.
    image = ([(0, A, 0.9)], [(0, NEAR_A, False)])
    assert evaluate(image, threshold=0.87).metrics["mAP"] == 1.0
    assert evaluate(image, threshold=0.88).metrics["mAP"] == 0.0


def test_nothing_found_is_no_error() -> None:
    found = evaluate(([], [(0, A, False)]), ([], []))
    assert found.metrics["mAP"] == 0.0
    assert found.tables[1].rows[0] == ("cat", 0.0, None, 0.0, 1, 0)
    assert len(found.galleries[0].examples) == 2


A, FAR = [0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]


def by_pycocotools(records: DetectionRecords) -> list[float]:
    """mAP, mAP_50 and mAP_75."""

    def ltwh(boxes: np.ndarray) -> list[list[float]]:
        return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).astype(float).tolist()

    truths = [
        {"id": i + 1, "image_id": int(image), "category_id": int(label), "bbox": box, "area": box[2] * box[3]}
        | {"iscrowd": int(hard)}
        for i, (image, label, box, hard) in enumerate(
            zip(
                records.truth_image,
                records.truth_labels,
                ltwh(records.truth_boxes),
                records.truth_difficult,
                strict=True,
            )
        )
    ]
    found = [
        {"image_id": int(image), "category_id": int(label), "bbox": box, "score": float(score)}
        for image, label, box, score in zip(
            records.detection_image,
            records.detection_labels,
            ltwh(records.detection_boxes),
            records.detection_scores,
            strict=True,
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": int(i)} for i in records.image_indices],
            "annotations": truths,
            "categories": [{"id": int(c)} for c in np.unique(records.truth_labels)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:3].tolist()


def random_records(seed: int) -> DetectionRecords:
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> np.ndarray:
        corner = rng.uniform(0, 0.6, (count, 2))
        return np.hstack([corner, corner + rng.uniform(0.05, 0.4, (count, 2))])

    images = []
    for _ in range(12):
        true = boxes(int(rng.integers(0, 6)))
        near = (true + rng.normal(0, 0.02, true.shape)).clip(0, 1)
        truths = [(int(rng.integers(3)), box, bool(rng.random() < 0.2)) for box in true.tolist()]
        found = [(label, box, float(rng.random())) for (label, *_), box in zip(truths, near.tolist(), strict=True)]
        found += [(int(rng.integers(3)), box, float(rng.random())) for box in boxes(int(rng.integers(0, 130))).tolist()]
        images.append((found, truths))
    return records_of(*images, indices=(rng.permutation(40)[:12]).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools(seed: int) -> None:
    records = random_records(seed)
    expected = by_pycocotools(records)
    assert expected[0] > 0.01
    assert list(coco_precision(records).values()) == pytest.approx(expected, abs=1e-6)


def test_perfect_and_shifted_boxes() -> None:
    found = coco_precision(records_of(([(0, A, 0.9)], [(0, A, False)])))
    assert found == {"coco_mAP": 1.0, "coco_mAP_50": 1.0, "coco_mAP_75": 1.0}
    # 0.4 x 0.34 of 0.4 x 0.4 is an IoU of 0.85: seven of the ten thresholds fall below it or on it.
    shifted = coco_precision(records_of(([(0, [0.1, 0.1, 0.5, 0.443], 0.9)], [(0, A, False)])))
    assert shifted == pytest.approx({"coco_mAP": 0.8, "coco_mAP_50": 1.0, "coco_mAP_75": 1.0})


@pytest.mark.parametrize("images", [[([], [])], [([(0, A, 0.9)], [])], [([], [(0, A, False)])]])
def test_nothing_found_is_zero(images: list) -> None:
    assert set(coco_precision(records_of(*images)).values()) == {0.0}


def test_difficult_objects_count_neither_way() -> None:
    images = ([(0, A, 0.9), (0, FAR, 0.8)], [(0, A, True), (0, FAR, False)])
    assert coco_precision(records_of(images))["coco_mAP"] == 1.0
