"""The losses on two images and two classes, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vision.algorithms.image_classification.loss import binary_cross_entropy, cross_entropy

# Softmax and sigmoid of a logit difference of ln 3 are 3/4.
LOGITS = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
QUARTER, HALF, THREE_QUARTERS = math.log(4), math.log(2), math.log(4 / 3)


@pytest.mark.parametrize(
    ("weights", "smoothing", "expected"),
    [
        (None, 0.0, (THREE_QUARTERS + HALF) / 2),
        ([1.0, 3.0], 0.0, (THREE_QUARTERS + 3 * HALF) / 4),
        # A fifth of the label is shared out, half of it to the wrong class.
        (None, 0.2, (0.9 * THREE_QUARTERS + 0.1 * QUARTER + HALF) / 2),
    ],
)
def test_cross_entropy(weights: list[float] | None, smoothing: float, expected: float) -> None:
    given = None if weights is None else torch.tensor(weights)
    loss = cross_entropy(LOGITS, torch.tensor([0, 1]), given, smoothing)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("smoothing", "expected"),
    [(0.0, (THREE_QUARTERS + 3 * HALF) / 4), (0.2, (0.9 * THREE_QUARTERS + 0.1 * QUARTER + 3 * HALF) / 4)],
)
def test_binary_cross_entropy(smoothing: float, expected: float) -> None:
    multi_hot = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert binary_cross_entropy(LOGITS, multi_hot, None, smoothing).item() == pytest.approx(expected)
