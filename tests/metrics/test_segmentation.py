"""Figures of masks against a table by hand, torchmetrics and, for sums over images, plain sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.metrics.confusion import DecisionCounts
from vision.metrics.segmentation import (
    PixelCounts,
    WeightedSegmentation,
    evaluation_of_segmentation,
    mean_iou,
    mean_iou_present,
    pixel_accuracy,
    pixel_confusions,
    segmentation_metrics,
)

IGNORED = 255
# Class 3 is neither labeled nor predicted, class 2 is predicted only.
TRUTH = torch.tensor([[[0, 0, 1, 255], [0, 1, 1, 255]], [[0, 0, 0, 0], [1, 1, 255, 255]]], dtype=torch.uint8)
FOUND = torch.tensor([[[0, 1, 1, 0], [0, 1, 2, 1]], [[0, 0, 0, 0], [0, 1, 2, 2]]])


def counted(truth: torch.Tensor, found: torch.Tensor, num_classes: int) -> PixelCounts:
    confusions = pixel_confusions(found, truth, num_classes, IGNORED).numpy()
    return PixelCounts([PixelCounts.sparse(confusion) for confusion in confusions], num_classes)


def test_a_table_by_hand() -> None:
    """Pixels that count: 12, 9 of them right. Class 0: 6 of 6 + 1 + 1, class 1: 3 of 3 + 1 + 2."""
    confusion = counted(TRUTH, FOUND, 4).confusion()
    assert confusion.tolist() == [[6, 1, 0, 0], [1, 3, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert pixel_accuracy(confusion) == pytest.approx(9 / 12)
    # Classes 2 and 3 count as 0, or not at all.
    assert mean_iou(confusion) == pytest.approx((6 / 8 + 3 / 6) / 4)
    assert mean_iou_present(confusion) == pytest.approx((6 / 8 + 3 / 6) / 2)


def test_the_rows_of_the_table_by_hand() -> None:
    evaluation = evaluation_of_segmentation(counted(TRUTH, FOUND, 4), ("soil", "crop", "weed", "stone"))
    table, confused = evaluation.tables
    assert table.columns == ("class", "IoU", "precision", "recall", "share of pixels", "pixels")
    assert table.rows == (
        ("soil", 6 / 8, 6 / 7, 6 / 7, 7 / 12, 7),
        ("crop", 3 / 6, 3 / 4, 3 / 5, 5 / 12, 5),
        ("weed", 0.0, 0.0, None, 0.0, 0),
        ("stone", None, None, None, 0.0, 0),
    )
    assert confused.rows[0] == ("soil", "crop", 1, 1 / 7)
    assert len(confused.rows) == 3
    assert evaluation.num_images == 2
    assert evaluation.notes == ("No pixel is labeled weed, stone: what has no pixel counts as 0 in mean IoU.",)


def test_images_from_the_worst_to_the_best() -> None:
    """First image: 2 of 3, 2 of 4, 0 of 1. Second: 4 of 5, 1 of 2."""
    counts = counted(TRUTH, FOUND, 4)
    assert counts.image_ious() == pytest.approx([(2 / 3 + 2 / 4 + 0) / 3, (4 / 5 + 1 / 2) / 2])
    (curves,) = evaluation_of_segmentation(counts, "abcd").curves
    share, iou = curves.series["IoU"]
    assert share.tolist() == [0.5, 1.0]
    assert iou[0] < iou[1]


@pytest.mark.parametrize("num_classes", [2, 5, 21])
def test_equals_torchmetrics(num_classes: int) -> None:
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    generator = torch.Generator().manual_seed(num_classes)
    truth = torch.randint(0, num_classes, (3, 17, 23), generator=generator)
    is_right = torch.rand(truth.shape, generator=generator) < 0.6
    found = torch.where(is_right, truth, torch.randint(0, num_classes, truth.shape, generator=generator))
    truth[torch.rand(truth.shape, generator=generator) < 0.1] = IGNORED
    confusion = counted(truth.to(torch.uint8), found, num_classes).confusion()
    settings = {"num_classes": num_classes, "ignore_index": IGNORED}
    ious = MulticlassJaccardIndex(**settings, average=None)(found, truth)
    np.testing.assert_allclose(DecisionCounts.of_confusion(confusion).iou(), ious, rtol=1e-5)
    assert mean_iou(confusion) == pytest.approx(mean_iou_present(confusion)) == pytest.approx(float(ious.mean()))
    accuracy = MulticlassAccuracy(**settings, average="micro")(found, truth)
    assert pixel_accuracy(confusion) == pytest.approx(float(accuracy))


def test_images_count_as_often_as_their_weights_say() -> None:
    measured = WeightedSegmentation(counted(TRUTH, FOUND, 4))
    once, twice = (counted(truth, found, 4).confusion() for truth, found in ((TRUTH, FOUND), (TRUTH[:1], FOUND[:1])))
    values = measured.values(np.array([2.0, 1.0]))
    assert values[:3] == pytest.approx(list(segmentation_metrics(once + twice).values()))
    assert values[3:] == pytest.approx(DecisionCounts.of_confusion(once + twice).iou(), nan_ok=True)
    assert len(values) == len(measured.names) + 4


def test_ignored_images_are_no_division_by_nothing() -> None:
    truth = torch.full((2, 3, 3), IGNORED, dtype=torch.uint8)
    counts = counted(truth, torch.zeros(2, 3, 3, dtype=torch.int64), 2)
    assert np.isnan(counts.image_ious()).all()
    evaluation = evaluation_of_segmentation(counts, "ab")
    assert evaluation.metrics["mIOU"] == evaluation.metrics["pixel_accuracy"] == 0
    assert np.isnan(evaluation.metrics["mIOU_present"])
