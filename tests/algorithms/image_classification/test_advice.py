"""What is said of images that the crop of training does not suit, and of rare classes."""

from __future__ import annotations

import numpy as np
import pytest

from vision.algorithms.image_classification.advice import rare_class_advice, size_findings
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.data.labels import Task
from vision.data.look import DataLook, SizeFindings
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
        (
            None,
            [(100, 50), (4000, 3000)],
            (
                "such as one of 100x50 pixels",
                "0.42 % of each picture that reaches hp.image_shape (1 of 2): 224x224 pixels are cut out of images of "
                "about 4000x3000; hp.resize=256 scales",
            ),
        ),
    ],
)
def test_size_findings(resize: int | None, sizes_px: list[tuple[int, int]], expected: tuple[str, ...]) -> None:
    settings = {"num_classes": 2, "num_training_samples": 10} | ({} if resize is None else {"resize": resize})
    hyperparameters = ImageClassificationHyperparameters.parse(settings)
    sizes = size_findings(np.array(sizes_px), hyperparameters, AugmentationSettings())
    found = [*([sizes.too_small] if sizes.num_too_small else []), *sizes.warnings]
    assert len(found) == len(expected)
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence


@pytest.mark.parametrize("given", [{"enlarge_small_images": True}, {"random_resized_crop": 0.3}])
def test_what_is_enlarged_is_not_too_small(given: dict[str, object]) -> None:
    hyperparameters = ImageClassificationHyperparameters.parse({"num_classes": 2, "num_training_samples": 10})
    settings = AugmentationSettings.parse(given)
    assert size_findings(np.array([(100, 131), (223, 224)]), hyperparameters, settings) == SizeFindings()
    (sentence,) = size_findings(np.array([(100, 1000)]), hyperparameters, settings).warnings
    assert "sees about 10 % of each picture" in sentence


@pytest.mark.parametrize(
    ("task", "counts", "remedy"),
    [
        ("single", [50, 50], None),
        ("single", [95, 5], "5 show the rarest class and 95 the most frequent: run.class_weights=balanced"),
        # A class without an image cannot be learned at any weight.
        ("single", [100, 0], None),
        ("multi", [50, 60], None),
        ("multi", [90, 1], "1 shows the rarest class and 90 the most frequent: hp.use_weighted_loss=1"),
    ],
)
def test_rare_classes_are_named(task: Task, counts: list[int], remedy: str | None) -> None:
    sizes, sides = np.full((100, 2), 64), np.zeros(0)
    found = rare_class_advice(DataLook(task, 100, None, 2, sizes, sides, class_counts=np.array(counts)))
    assert [remedy is not None and remedy in sentence for sentence in found] == ([] if remedy is None else [True])
