"""What is said of images that the crop of training does not suit."""

from __future__ import annotations

import numpy as np
import pytest

from vision.algorithms.image_classification.advice import size_warnings
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters


@pytest.mark.parametrize(
    ("resize", "sizes_px", "expected"),
    [
        (None, [(256, 256)] * 3, ()),
        (
            None,
            [(4000, 3000)] * 3,
            ("sees about 0.42 % of each picture: 224x224 pixels are cut out of images",),
        ),
        # 341 x 256, of which the crop is more than half.
        (256, [(4000, 3000)] * 3, ()),
        (256, [(4000, 500)] * 3, ("sees about 9.6 % of each picture: 224x224 pixels are cut out of images of about",)),
        (None, [(100, 300), (256, 256)], ("1 of the 2 images looked at are smaller than hp.image_shape, 224 wide",)),
        (224, [(100, 300)], ("100x300; they are long and narrow",)),
        (None, [(100, 50), (4000, 3000)], ("such as one of 100x50 pixels", "hp.resize=256 scales")),
    ],
)
def test_size_warnings(resize: int | None, sizes_px: list[tuple[int, int]], expected: tuple[str, ...]) -> None:
    settings = {"num_classes": 2, "num_training_samples": 10} | ({} if resize is None else {"resize": resize})
    hyperparameters = ImageClassificationHyperparameters.parse(settings)
    found = size_warnings(np.array(sizes_px), hyperparameters)
    assert len(found) == len(expected)
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence
