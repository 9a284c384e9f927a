from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.metrics.detection_records import records_of
from vision.metrics.average_precision import DetectionRecords
from vision.metrics.coco_precision import coco_precision

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
