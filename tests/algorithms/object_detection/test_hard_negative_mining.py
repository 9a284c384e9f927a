from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.hard_negative_mining import (
    DIFFICULTY_UNIT,
    assign_classes,
    difficulty,
    largest,
    largest_on_device,
)
from vision.algorithms.object_detection.matcher import MatcherSettings, Matches

MINING = MatcherSettings(negative_mining_ratio=2.0)
# Images: 1 positive, none, 3 positives; anchors 0..9, the last one near an object.
POSITIVES = (1, 0, 3)


@pytest.mark.parametrize(
    ("settings", "negatives"),
    [
        (MINING, (2, 4, 6)),
        (replace(MINING, train_images_without_objects=False), (2, 0, 6)),
        (replace(MINING, negative_mining_ratio=0.5), (0, 1, 1)),
        (replace(MINING, negative_mining_ratio=9.0), (8, 9, 6)),
        (replace(MINING, negative_mining_ratio=-1.0), (9, 10, 7)),
        (replace(MINING, negative_mining_ratio=-1.0, train_images_without_objects=False), (9, 0, 7)),
    ],
)
def test_number_of_negatives_an_image_trains_on(settings: MatcherSettings, negatives: tuple[int, ...]) -> None:
    object_index = torch.full((3, 10), -1)
    for image, count in enumerate(POSITIVES):
        object_index[image, :count] = 0
    is_far = torch.ones(3, 10, dtype=torch.bool)
    is_far[:, 9] = False
    labels = torch.tensor([[0], [-1], [0]])
    targets = assign_classes(Matches(object_index, is_far), labels, torch.zeros(3, 10), settings)
    assert tuple((targets == 0).sum(1).tolist()) == negatives


def test_negatives_are_the_hardest_and_ties_go_to_the_lower_anchor() -> None:
    object_index = torch.tensor([[-1, -1, 0, -1, -1, -1]])
    is_far = torch.tensor([[True, True, False, True, False, True]])
    difficulty = 1 / torch.tensor([[0.9, 0.5, 0.1, 0.2, 0.01, 0.5]])
    settings = MatcherSettings(negative_mining_ratio=2.0)
    targets = assign_classes(Matches(object_index, is_far), torch.tensor([[6]]), difficulty, settings)
    assert targets.tolist() == [[-1, 0, 7, 0, -1, -1]]


@pytest.mark.parametrize("most", [4, 2**31 - 1], ids=["with ties", "without"])
def test_largest_values_are_those_of_a_sort_on_any_device(most: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-(most // 3), most, (6, 50), np.int32)
    count = np.array([[0], [1], [7], [20], [49], [50]])
    expected = np.zeros((6, 50), bool)
    for row, own in enumerate(count[:, 0]):
        order = np.argsort(-values[row].astype(np.int64), kind="stable")[:own]
        expected[row, order] = values[row, order] >= 0
    np.testing.assert_array_equal(largest(values, count), expected)
    on_device = largest_on_device(torch.from_numpy(values), torch.from_numpy(count))
    np.testing.assert_array_equal(on_device.numpy(), expected)


def test_difficulty_is_one_over_the_probability_of_background() -> None:
    logits = torch.tensor([[[2.0, -1.0, 0.5], [-40.0, 40.0, 0.0], [40.0, 0.0, 0.0], [-300.0, -301.0, -300.0]]])
    expected = DIFFICULTY_UNIT / logits.double().softmax(-1)[..., 0]
    torch.testing.assert_close(difficulty(logits).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_negatives_of_any_logits_are_those_of_the_probability(dtype: torch.dtype) -> None:
    """MXNet sorts by the softmax in float32: its order, also where exp of a logit is 0 or infinite in float32."""
    background = [-900.0, 90.0, 600.0, -95.0, -500.0, 500.0, 0.0, -3.0, -700.0, 88.0]
    foreground = [-899.0, 190.0, 596.0, -91.0, -400.0, 520.0, -9.0, 60.0, -702.0, 89.0]
    logits = torch.tensor([background, foreground], dtype=dtype).T[None]
    probability = logits.float().softmax(-1)[0, :, 0].numpy()
    expected = set(np.argsort(probability, kind="stable")[:5].tolist())
    object_index = torch.full((1, 11), -1)
    object_index[0, 10] = 0
    logits = torch.cat([logits, logits[:, :1]], dim=1)
    settings = MatcherSettings(negative_mining_ratio=5.0)
    matches = Matches(object_index, torch.ones(1, 11, dtype=torch.bool))
    targets = assign_classes(matches, torch.tensor([[0]]), difficulty(logits), settings)
    assert set(torch.nonzero(targets[0] == 0).flatten().tolist()) == expected
