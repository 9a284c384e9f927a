from __future__ import annotations

import numpy as np
import pytest

from vision.interop.pixel_scale import from_statistics
from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD

RAW, CENTRED = (0.0, 0.0, 0.0), (123.0, 117.0, 104.0)
ONES = (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("moving_mean", "moving_var", "mean", "std", "words"),
    [
        ((123.9, 115.8, 103.0), 3500, RAW, ONES, "raw RGB"),
        ((75.0, 80.0, 60.0), 2500, RAW, ONES, "raw RGB"),
        ((0.24, -0.2, 1.38), 4900, CENTRED, ONES, "mean-subtracted"),
        ((-40.0, -35.0, -20.0), 3000, CENTRED, ONES, "mean-subtracted"),
        ((30.0, 25.0, 20.0), 3000, CENTRED, ONES, "mean-subtracted"),
        ((0.01, -0.02, 0.1), 1.1, IMAGENET_MEAN, IMAGENET_STD, "normalised"),
        ((0.48, 0.45, 0.40), 0.07, RAW, (255.0,) * 3, "divided by 255"),
    ],
)
def test_the_statistics_tell(moving_mean, moving_var, mean, std, words) -> None:
    found = from_statistics(np.array(moving_mean), np.full(3, moving_var))
    assert (found.mean, found.std) == (mean, std)
    assert words in found.reason
