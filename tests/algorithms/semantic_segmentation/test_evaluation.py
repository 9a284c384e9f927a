"""The evaluation of masks as the trainer drives it: in batches, in several processes, with pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.semantic_segmentation import evaluation as module
from vision.algorithms.semantic_segmentation.evaluation import SegmentationEvaluator, overlays
from vision.algorithms.semantic_segmentation.network import SegmentationOutput
from vision.data.masks.mask_png import IGNORED
from vision.data.masks.mask_tint import tint
from vision.training.processes import gather_arrays

NAMES = ("soil", "crop", "weed")


def logits_of(predicted: Tensor) -> SegmentationOutput:
    logits = torch.nn.functional.one_hot(predicted.long(), len(NAMES)).permute(0, 3, 1, 2).float()
    return SegmentationOutput(logits, None)


def scenes(count: int) -> tuple[Tensor, Tensor]:
    """Masks and predictions uint8 [count, 6, 8], of which image i has about i wrong pixels."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 3, (count, 6, 8), generator=generator, dtype=torch.uint8)
    predicted = masks.clone()
    for image in range(count):
        predicted[image].view(-1)[:image] = (predicted[image].view(-1)[:image] + 1) % 3
    masks[:, -1] = IGNORED
    return masks, predicted


def evaluator(masks: Tensor, predicted: Tensor, *parts: slice) -> SegmentationEvaluator:
    found = SegmentationEvaluator(NAMES, lambda index: f"{index}.jpg")
    for part in parts:
        found.update(logits_of(predicted[part]), masks[part], torch.arange(len(masks))[part])
    return found


def test_batches_change_nothing() -> None:
    masks, predicted = scenes(10)
    whole = evaluator(masks, predicted, slice(0, 10))
    parts = evaluator(masks, predicted, slice(7, 10), slice(0, 7))
    one, two = (found.evaluate(gather_arrays(found.arrays())) for found in (whole, parts))
    assert one.metrics == two.metrics
    assert 0 < one.metrics["mIOU"] < 1
    assert one.tables == two.tables
    for first, second in zip(one.galleries, two.galleries, strict=True):
        assert [example.key for example in first.examples] == [example.key for example in second.examples]


def test_the_best_and_the_worst_images_are_shown(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "MOST_EXAMPLES", 2)
    masks, predicted = scenes(9)
    found = evaluator(masks, predicted, *(slice(image, image + 1) for image in range(9)))
    arrays = found.arrays()
    assert sum(kept is not None for kept in arrays["masks"]) == 4
    evaluation = found.evaluate(arrays)
    worst, best = evaluation.galleries
    assert any("Pictures of the best and the worst images" in note for note in evaluation.notes)
    assert [example.key for example in worst.examples] == ["8.jpg", "7.jpg"]
    assert [example.key for example in best.examples] == ["0.jpg", "1.jpg"]
    assert best.examples[0].caption == "IoU 1.00"
    assert len(best.examples[0].overlays) == 3
    shown = np.unique(np.concatenate([kept.ravel() for kept in arrays["masks"] if kept is not None]))
    colors = {name: np.array(color) for name, color in best.legend}
    assert list(colors) == [
        name for class_id, name in enumerate(evaluation.class_names) if class_id and class_id in shown
    ]
    assert all(
        (tint(np.uint8(evaluation.class_names.index(name)))[:3] == color).all() for name, color in colors.items()
    )


def test_figures_of_images_counted_once_are_those_of_all() -> None:
    masks, predicted = scenes(5)
    found = evaluator(masks, predicted, slice(0, 5))
    arrays = found.arrays()
    values = found.image_metrics(arrays).values(np.ones(5))
    np.testing.assert_allclose(values[:3], list(found.evaluate(arrays).metrics.values()))


def test_pictures_tell_right_from_wrong_and_from_ignored() -> None:
    truth, predicted = np.array([[0, 1, 1, IGNORED]], np.uint8), np.array([[0, 1, 2, 2]], np.uint8)
    truths, predictions, differences = (overlay.rgba[0] for overlay in overlays(truth, predicted))
    assert truths[0, 3] == predictions[0, 3] == 0
    assert (truths[1] == predictions[1]).all()
    assert (truths[2] != predictions[2]).any()
    assert (differences[0] == differences[1]).all()
    assert len({tuple(color) for color in differences.tolist()}) == 3


def test_large_masks_are_kept_small() -> None:
    masks = torch.zeros(1, 1000, 481, dtype=torch.uint8)
    found = evaluator(masks, masks, slice(0, 1))
    assert found.arrays()["masks"][0].shape == (2, 200, 97)
