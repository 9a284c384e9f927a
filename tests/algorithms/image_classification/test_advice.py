"""What is said of images that the crop of training does not suit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vision.algorithms.image_classification.advice import recommended_settings, size_warnings
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.data.inspect.issues import InspectedChannel
from vision.settings.augmentation import AugmentationSettings


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
    found = size_warnings(np.array(sizes_px), hyperparameters, AugmentationSettings())
    assert len(found) == len(expected)
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence


@pytest.mark.parametrize("given", [{"enlarge_small_images": True}, {"random_resized_crop": 0.3}])
def test_what_is_enlarged_is_not_too_small(given: dict[str, object]) -> None:
    hyperparameters = ImageClassificationHyperparameters.parse({"num_classes": 2, "num_training_samples": 10})
    settings = AugmentationSettings.parse(given)
    assert size_warnings(np.array([(100, 131), (223, 224)]), hyperparameters, settings) == ()
    (sentence,) = size_warnings(np.array([(100, 1000)]), hyperparameters, settings)
    assert "sees about 10 % of each picture" in sentence


@pytest.mark.parametrize(
    ("multi_label", "counts", "expected"),
    [
        (False, [50, 50], []),
        (False, [95, 5], ["run.class_weights=balanced"]),
        # A class without an image cannot be learned at any weight.
        (False, [100, 0], []),
        (True, [50, 60], ["hp.multi_label=1", "run.objective=mAP"]),
        (True, [90, 9], ["hp.multi_label=1", "run.objective=mAP", "hp.use_weighted_loss=1"]),
    ],
)
def test_rare_classes_get_more_weight(multi_label: bool, counts: list[int], expected: list[str]) -> None:
    empty = np.zeros(0)
    channel = InspectedChannel(
        "train",
        None,
        "classes",
        multi_label,
        np.zeros((100, 2), np.int64),
        empty,
        empty,
        empty,
        Counter(),
        [None] * 100,
        np.array(counts),
    )
    assert [f"{one.setting}={one.value}" for one in recommended_settings([channel])] == expected
