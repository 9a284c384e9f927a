from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection import evaluation
from vision.algorithms.object_detection.evaluation import AnchorStatistics, DetectionEvaluator
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.network import SSDOutput
from vision.algorithms.object_detection.targets import DetectionTarget, collate_targets
from vision.training.processes import gather_arrays

ANCHORS = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 1.0, 1.0], [0.0, 0.6, 0.3, 1.0]])


def evaluator() -> DetectionEvaluator:
    hp = ObjectDetectionHyperparameters.parse({"num_classes": 2, "num_training_samples": 1})
    return DetectionEvaluator(
        ANCHORS, hp, ("a", "b"), lambda i: f"key {i}", AnchorStatistics(ANCHORS.numpy(), 300, 0.5)
    )


def outputs(*classes: list[int]) -> SSDOutput:
    """Each anchor says with certainty the class given (0 = background) and lies where it is."""
    logits = torch.nn.functional.one_hot(torch.tensor(classes), 3).float() * 20
    return SSDOutput(logits, torch.zeros(*logits.shape[:2], 4))


def target(*objects: tuple[int, int, bool]) -> DetectionTarget:
    """Objects (anchor whose box they have, label, difficult)."""
    boxes = ANCHORS.numpy()[[anchor for anchor, _, _ in objects]].reshape(-1, 4)
    return DetectionTarget(boxes, np.array([o[1] for o in objects], np.int64), np.array([o[2] for o in objects], bool))


FOUND = [([1, 2, 0], target((0, 0, False), (1, 1, False))), ([0, 0, 2], target()), ([0, 0, 0], target((2, 1, False)))]


def fill(evaluator: DetectionEvaluator, images: list[int]) -> DetectionEvaluator:
    classes, targets = zip(*(FOUND[image] for image in images), strict=True)
    evaluator.update(outputs(*classes), collate_targets(list(targets)), torch.tensor(images))
    return evaluator


def test_rows_without_padding() -> None:
    arrays = fill(evaluator(), [0, 1]).arrays()
    assert arrays["index"].tolist() == [0, 1]
    first, second = arrays["detections"]
    # Labels do not count background.
    assert first[:, 0].tolist() == [0, 1]
    np.testing.assert_allclose(first[:, 2:], ANCHORS[:2], atol=1e-6)
    assert second[:, 0].tolist() == [1]
    assert [rows.shape for rows in arrays["truths"]] == [(2, 6), (0, 6)]


def test_figures_by_hand() -> None:
    found = evaluator()
    fill(found, [0, 1, 2])
    evaluation = found.evaluate(gather_arrays(found.arrays()))
    # Class a: its one object found. Class b: one of two found beside one false alarm of the same score.
    assert evaluation.metrics["mAP"] == pytest.approx((1 + 0.5) / 2)
    np.testing.assert_array_equal(evaluation.matrices[0].counts, [[1, 0, 0], [0, 1, 1], [0, 1, 0]])
    assert [table.title for table in evaluation.tables if not table.is_long] == ["Per class", "Anchors"]
    assert evaluation.num_images == 3


def test_batches_and_processes_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fill(evaluator(), [0, 1, 2])
    first, second = fill(evaluator(), [2]), fill(fill(evaluator(), [1]), [0, 2])
    parts = [first.arrays(), second.arrays()]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ordered = gather_arrays(joined)
    assert ordered["index"].tolist() == [0, 1, 2]
    expected = whole.evaluate(gather_arrays(whole.arrays()))
    assert whole.evaluate(ordered).metrics == expected.metrics


def test_difficult_objects_need_not_be_found() -> None:
    found = evaluator()
    targets = collate_targets([target((0, 0, False), (1, 1, True))])
    found.update(outputs([1, 0, 0]), targets, torch.tensor([0]))
    assert found.evaluate(found.arrays()).metrics["mAP"] == 1.0


def test_settings_of_suppression_are_the_hyperparameters() -> None:
    close = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.0, 0.0, 0.4, 0.3]])
    for nms_threshold, count in ((0.7, 1), (0.8, 2)):
        found = evaluator()
        found.anchors = close
        found.hyperparameters = ObjectDetectionHyperparameters.parse(
            {"num_classes": 2, "num_training_samples": 1, "nms_threshold": nms_threshold}
        )
        found.update(outputs([1, 1]), collate_targets([target()]), torch.tensor([0]))
        assert len(found.arrays()["detections"][0]) == count


def test_nothing_taken_in() -> None:
    assert evaluator().arrays() == {}


TWO_ANCHORS = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]], np.float32)


def statistics() -> AnchorStatistics:
    return AnchorStatistics(TWO_ANCHORS, 100, 0.5)


def test_shares_by_hand() -> None:
    # IoU with the better anchor: 1; 0.5 * 0.3 / 0.25 = 0.6; 0.01 / 0.25 = 0.04 (10 px a side).
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 0.8], [0.1, 0.1, 0.2, 0.2]], np.float32)
    table = statistics().table(boxes)
    assert table.title == "Anchors"
    assert table.columns == (
        "size of the object at 100 px",
        "objects",
        "share with an anchor above IoU 0.5",
        "mean best IoU",
    )
    by_size = {row[0]: row[1:] for row in table.rows}
    assert by_size["below 16 px"] == (1, 0.0, pytest.approx(0.04))
    assert by_size["from 16 px"] == (0, None, None)
    # The root of 50 x 30 is 38.7 pixels.
    assert by_size["from 32 px"] == (2, 1.0, pytest.approx(0.8))
    assert by_size["all"] == (3, pytest.approx(2 / 3), pytest.approx((1 + 0.6 + 0.04) / 3))


def test_a_size_on_the_limit_belongs_to_the_larger() -> None:
    table = statistics().table(np.array([[0.0, 0.0, 0.32, 0.32]], np.float64))
    assert [row[0] for row in table.rows if row[1]] == ["from 32 px", "all"]


def test_no_objects() -> None:
    table = statistics().table(np.empty((0, 4), np.float32))
    assert all(row[1:] == (0, None, None) for row in table.rows)


def test_many_objects_are_sampled_and_the_table_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_OBJECTS", 10)
    found = statistics()
    table = found.table(np.tile(TWO_ANCHORS[:1], (95, 1)))
    assert table.rows[-1] == ("all", 10, 1.0, pytest.approx(1.0))
    assert found.table(np.empty((0, 4))) is table
