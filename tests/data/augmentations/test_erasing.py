from __future__ import annotations

import numpy as np

from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.augmentations.erasing import Erasing
from vision.data.augmentations.image_random import ImageRandom


def test_a_rectangle_becomes_noise_and_its_mask_counts_for_nothing() -> None:
    image, mask, boxes = np.full((60, 80, 3), 7, np.uint8), np.ones((60, 80), np.uint8), np.array([[0, 0, 1, 1.0, 0]])
    shares = []
    for seed in range(200):
        drawn = Erasing().draw(ImageRandom(seed), image.shape)
        hidden = drawn["hidden"]
        erased = Erasing().apply(image, **drawn)
        moved = Erasing().apply_to_target(SpatialTarget(boxes, mask), image.shape, **drawn)
        where = np.zeros((60, 80), bool)
        hidden.view(where)[...] = True
        assert (erased[~where] == 7).all()
        assert erased[where].std() > 40
        assert np.array_equal(moved.mask, np.where(where, 255, 1))
        assert moved.boxes_xyxy_unit is boxes
        assert np.array_equal(erased, Erasing().apply(image, **drawn))
        shares.append(where.mean())
    assert (image == 7).all()
    assert 0.01 < min(shares) < 0.05
    assert 0.28 < max(shares) < 0.35


def test_an_image_of_a_pixel_is_left_alone() -> None:
    image = np.full((1, 1, 3), 7, np.uint8)
    assert (Erasing().apply(image, **Erasing().draw(ImageRandom(0), image.shape)) == 7).all()
