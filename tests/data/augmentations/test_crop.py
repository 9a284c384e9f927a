from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import chisquare

from vision.data.augmentations.crop import Crop, ImageSmallerThanCropError
from vision.data.augmentations.window import Window


@pytest.mark.parametrize(
    ("image_size", "expected"),
    [
        ((28, 28), Window(0, 0, 28, 28)),
        ((29, 31), Window(1, 0, 29, 28)),  # spare 1 and 3: half, rounded down
        ((32, 40), Window(6, 2, 34, 30)),
    ],
)
def test_centre(image_size: tuple[int, int], expected: Window) -> None:
    assert Crop(28, 28, at_random=False).draw(random.Random(0), image_size)["window"] == expected


def test_every_position_is_equally_likely() -> None:
    crop, rng = Crop(28, 30, at_random=True), random.Random(5)
    counts = np.zeros((5, 3))
    for _ in range(3000):
        window = crop.draw(rng, (32, 32, 3))["window"]
        assert window.shape == (28, 30)
        counts[window.top, window.left] += 1
    assert chisquare(counts.ravel()).pvalue > 0.01


@pytest.mark.parametrize("at_random", [True, False])
@pytest.mark.parametrize("image_size", [(27, 28), (28, 27), (1, 1)])
def test_a_smaller_image_is_refused(image_size: tuple[int, int], at_random: bool) -> None:
    with pytest.raises(ImageSmallerThanCropError) as caught:
        Crop(28, 28, at_random).draw(random.Random(0), image_size)
    assert (caught.value.height, caught.value.width) == image_size


def test_cuts_out_without_a_copy() -> None:
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    cut = Crop(2, 3, at_random=False).apply(image, Window(1, 2, 4, 4))
    assert np.array_equal(cut, image[2:4, 1:4])
    assert np.shares_memory(cut, image)
