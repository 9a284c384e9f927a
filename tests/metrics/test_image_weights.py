from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.detection_records import records_of
from vision.metrics.average_precision import AveragePrecisionSettings, DetectionRecords, average_precision
from vision.metrics.classification import evaluation_of_classification
from vision.metrics.image_weights import WeightedClassification, WeightedDetection, WeightedMultiLabel

RNG = np.random.default_rng(0)
NAMES = ("a", "b", "c", "d")
# Few values, so that there are ties; nothing is ever of class d.
SCORES = RNG.integers(0, 8, (40, 4)).astype(np.float32) / 8
TARGETS = RNG.integers(0, 3, 40)
TRUTH = (RNG.random((40, 4)) < 0.4) & (np.arange(4) < 3)
WEIGHTS = RNG.integers(0, 4, 40).astype(np.float64)


def test_hand_computed() -> None:
    probabilities = np.array([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]], np.float32)
    metrics = WeightedClassification(probabilities, np.array([0, 1, 1]), None)
    assert metrics.names == ("accuracy", "macro_f1", "macro_precision", "macro_recall")
    # Image 1, which is wrong, twice: class 0 has 1 hit of 3 guesses, class 1 has 1 hit of 1 guess and 3 images.
    found = metrics.values(np.array([1.0, 2.0, 1.0]))
    assert found == pytest.approx([1 / 2, (1 / 2 + 1 / 2) / 2, (1 / 3 + 1) / 2, (1 + 1 / 3) / 2, 1, 1 / 3])


@pytest.mark.parametrize("weights", [np.ones(40), WEIGHTS])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_weight_is_the_image_so_often(weights: np.ndarray, multi_label: bool) -> None:
    """Against the evaluation of a data set in which the images are really repeated."""
    repeated = np.repeat(np.arange(40), weights.astype(int))
    metrics = WeightedMultiLabel(SCORES, TRUTH) if multi_label else WeightedClassification(SCORES, TARGETS, 2)
    evaluation = evaluation_of_classification(
        SCORES[repeated],
        (TRUTH if multi_label else TARGETS)[repeated],
        NAMES,
        top_k=2,
        multi_label=multi_label,
        keys=str,
    )
    table = next(table for table in evaluation.tables if table.title == "Per class")
    column = table.columns.index(metrics.class_metric)
    per_class = [np.nan if row[column] is None else row[column] for row in table.rows]
    expected = [*(evaluation.metrics[name] for name in metrics.names), *per_class]
    assert metrics.values(weights) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(expected[-1])


LEFT, RIGHT, FAR = [0.0, 0.0, 0.4, 0.4], [0.5, 0.0, 0.9, 0.4], [0.6, 0.6, 0.9, 0.9]
# Overlaps LEFT by 0.6: enough for one threshold, not for the other.
LOOSE = [0.0, 0.0, 0.4, 0.24]


def test_boxes_hand_computed() -> None:
    """Class 0: a hit at 0.9 in image 3, a false alarm at 0.8 in 5, a loose hit at 0.7 in 5; class 1 is missed."""
    records = records_of(
        ([(0, LEFT, 0.9)], [(0, LEFT, False), (1, RIGHT, False)]),
        ([(0, FAR, 0.8), (0, LOOSE, 0.7)], [(0, LEFT, False)]),
        indices=[3, 5],
    )
    metrics = WeightedDetection(records, 3, 0.5)
    assert metrics.names == ("mAP", "mAP_75")
    # Three objects of class 0 where image 5 counts twice: precision 1 at recall 1/3, then 3/5 at recall 1.
    ap = 1 / 3 + 2 / 3 * 3 / 5
    assert metrics.values(np.array([1.0, 2.0])) == pytest.approx([ap / 2, (1 / 3) / 2, ap, 0, np.nan], nan_ok=True)
    # Without image 3 there is no object of class 1; precision is 1/2 at recall 1.
    assert metrics.values(np.array([0.0, 1.0])) == pytest.approx([0.5, 0, 0.5, np.nan, np.nan], nan_ok=True)


def random_records(rng: np.random.Generator, images: int) -> DetectionRecords:
    def box() -> list[float]:
        corner = rng.integers(0, 3, 2) / 4
        return [*corner.tolist(), *(corner + rng.integers(1, 3, 2) / 4).tolist()]

    return records_of(
        *(
            (
                [(int(rng.integers(3)), box(), float(rng.integers(1, 9)) / 8) for _ in range(rng.integers(0, 6))],
                [(int(rng.integers(3)), box(), bool(rng.random() < 0.2)) for _ in range(rng.integers(0, 4))],
            )
            for _ in range(images)
        )
    )


def repeated(records: DetectionRecords, times: np.ndarray) -> DetectionRecords:
    """The records of a data set in which each image is there so often, under indices that keep the order."""
    indices, parts = 0, []
    for image, count in enumerate(times.tolist()):
        detection, truth = records.detection_image == image, records.truth_image == image
        for _ in range(count):
            values = {name: getattr(records, name) for name in records.__dataclass_fields__}
            part = {
                name: column[detection if name.startswith("detection") else truth]
                for name, column in values.items()
                if name != "image_indices"
            }
            part["detection_image"] = np.full(detection.sum(), indices)
            part["truth_image"] = np.full(truth.sum(), indices)
            parts.append(DetectionRecords(image_indices=np.array([indices]), **part))
            indices += 1
    return DetectionRecords.merge(parts)


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_is_the_image_and_its_boxes_so_often(seed: int) -> None:
    """Without ties between images, whose order would be another one in the repeated data."""
    rng = np.random.default_rng(seed)
    records = random_records(rng, 12)
    scores = rng.permutation(len(records.detection_scores)).astype(np.float32) / 100
    records = DetectionRecords(**{**vars(records), "detection_scores": scores})
    times = rng.integers(0, 4, 12)
    settings = AveragePrecisionSettings(0.3)
    found = WeightedDetection(records, 3, 0.3).values(times.astype(np.float64))
    expected = average_precision(repeated(records, times), 3, settings)
    assert found[0] == pytest.approx(expected.mean)
    assert found[2:] == pytest.approx(expected.per_class, nan_ok=True)


def test_nothing_found() -> None:
    records = records_of(([], [(0, LEFT, False)]), ([], []))
    assert WeightedDetection(records, 2, 0.5).values(np.ones(2)) == pytest.approx([0, 0, 0, np.nan], nan_ok=True)
