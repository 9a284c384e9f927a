"""The loss by torch's own mean, and where that has none."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from vision.algorithms.semantic_segmentation.loss import segmentation_losses
from vision.algorithms.semantic_segmentation.network import SegmentationOutput
from vision.data.masks.mask_png import IGNORED


@pytest.mark.parametrize("class_weights", [None, torch.tensor([0.5, 2.0, 0.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_means_over_the_pixels_that_count(class_weights: torch.Tensor | None, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, auxiliary = (torch.randn(2, 3, 4, 5, generator=generator) for _ in range(2))
    masks = torch.randint(0, 3, (2, 4, 5), generator=generator, dtype=torch.uint8)
    masks[0, :2] = IGNORED
    losses = segmentation_losses(SegmentationOutput(logits, auxiliary), masks, 0.5, class_weights, smoothing)
    given = {"weight": class_weights, "ignore_index": 255, "label_smoothing": smoothing}
    expected = [cross_entropy(one, masks.long(), **given) for one in (logits, auxiliary)]
    torch.testing.assert_close(losses, {"cross_entropy": expected[0], "auxiliary": 0.5 * expected[1]})
    assert list(segmentation_losses(SegmentationOutput(logits, None), masks, 0.5)) == ["cross_entropy"]


@pytest.mark.parametrize("class_weights", [None, torch.ones(3), torch.zeros(3)])
def test_a_batch_without_a_pixel_that_counts_costs_nothing(class_weights: torch.Tensor | None) -> None:
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    masks = torch.full((2, 4, 5), IGNORED, dtype=torch.uint8)
    losses = segmentation_losses(SegmentationOutput(logits, logits), masks, 0.5, class_weights)
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert total.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
