from __future__ import annotations

import random

import numpy as np
import pytest

from vision.data.augmentations.contrast import Contrast


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (0.5, [0, 2, 150, 255, 255]),
        (-0.5, [0, 0, 50, 100, 128]),  # halves go to the even number, as OpenCV rounds
        (0.0005, [0, 1, 100, 200, 255]),
        (0.1, [0, 1, 110, 220, 255]),
    ],
)
def test_factor(change: float, expected: list[int]) -> None:
    image = np.array([0, 1, 100, 200, 255], np.uint8).reshape(1, 5, 1).repeat(3, axis=2)
    assert Contrast(0.5).apply(image, change)[0, :, 1].tolist() == expected


def test_change_covers_its_range() -> None:
    rng = random.Random(2)
    changes = np.array([Contrast(0.5).draw(rng, (1, 1, 3))["change"] for _ in range(4000)])
    counts, _ = np.histogram(changes, bins=10, range=(-0.5, 0.5))
    assert counts.sum() == 4000
    assert counts.min() > 320
