from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.algorithms.semantic_segmentation.predictions import decode_runs, segmentations
from vision.data.masks.rasterize import runs_of


def test_runs_are_cocos() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    # Column by column: 0 0 1 1 1 0.
    assert runs_of(mask) == {"size": [2, 3], "counts": [2, 3, 1]}
    assert runs_of(~mask) == {"size": [2, 3], "counts": [0, 2, 3, 1]}
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 5), (40, 30)):
        for share in (0, 0.1, 0.9, 1):
            random = rng.random(shape) < share
            np.testing.assert_array_equal(decode_runs(runs_of(random)), random)


def test_predictions_have_the_size_of_the_original_image() -> None:
    logits = torch.zeros(2, 3, 8, 12)
    logits[0, 1, :, 6:] = 5
    logits[1, 2] = 5
    left_right, all_two = segmentations(logits, [(24, 16), (12, 8)])
    assert left_right.ids.shape == (16, 24)
    assert left_right.ids.dtype == np.uint8
    assert (left_right.ids[:, 14:] == 1).all()
    assert (left_right.ids[:, :10] == 0).all()
    assert (all_two.ids == 2).all()
    np.testing.assert_allclose(all_two.probabilities(), logits[1].softmax(0).numpy(), atol=1e-6)


def test_a_description_lists_the_classes_that_are_seen() -> None:
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 2, 0, 0] = logits[0, 1, 1] = 5
    logits[0, 1, 0, 1] = 5
    (found,) = segmentations(logits, [(2, 2)])
    described = found.describe(("sky", "road", "car"))
    assert described["size"] == [2, 2]
    assert [(one["label"], one["share"]) for one in described["classes"]] == [("road", 0.75), ("car", 0.25)]
    np.testing.assert_array_equal(decode_runs(described["classes"][1]["segmentation"]), [[True, False], [False, False]])


def test_uncertainty_by_hand() -> None:
    even = torch.zeros(1, 3, 2, 2)
    sure = torch.tensor([50.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    for logits, expected in ((even, 1.0), (sure, 0.0)):
        (found,) = segmentations(logits, [(2, 2)])
        assert found.uncertainty() == pytest.approx(expected, abs=1e-6)
