from __future__ import annotations

import random

import numpy as np
import pytest

from vision.data.augmentations.mirror import Mirror


def test_left_becomes_right() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    boxes = np.array([[0.0, 0.1, 0.25, 0.9, 3.0]])
    assert np.array_equal(Mirror().apply(image), image[:, ::-1])
    assert Mirror().apply_to_bboxes(boxes) == pytest.approx(np.array([[0.75, 0.1, 1.0, 0.9, 3.0]]))
    assert boxes[0, 0] == 0.0


def test_half_of_the_images_are_mirrored() -> None:
    mirror, rng = Mirror(p=0.5), random.Random(0)
    assert sum(mirror.draws(rng) for _ in range(4000)) == pytest.approx(2000, abs=100)
