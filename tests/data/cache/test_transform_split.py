from __future__ import annotations

import cv2
import pytest

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.transforms import build_transform
from vision.algorithms.object_detection.transforms import PlainResize, SSDAugmentation
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.resize import Resize
from vision.data.cache.transform_split import RandomPart, Splittable, describe

CROP = Crop(4, 4, at_random=True)


@pytest.mark.parametrize(
    ("stage", "values", "once", "rest"),
    [
        ("train", {"augmentation_type": "crop"}, "", ["crop", "mirror"]),
        ("train", {"augmentation_type": "crop_color"}, "", ["crop", "color", "mirror"]),
        (
            "train",
            {"augmentation_type": "crop_color_transform", "resize": "40"},
            "ShortSideResize(side=40, p=1.0)",
            ["affine", "crop", "color", "mirror"],
        ),
        ("train", {"augmentation_type": "crop", "image_shape": "1,28,28"}, "", ["crop", "mirror", "grey"]),
        ("train", {}, "Crop(height=28, width=28, at_random=False, p=1.0)", []),
        (
            "validation",
            {"image_shape": "1,28,28"},
            "EnlargeToFit(height=28, width=28, interpolations=(1,), p=1.0) "
            "Crop(height=28, width=28, at_random=False, p=1.0) Grey(p=1.0)",
            [],
        ),
    ],
)
def test_a_transform_is_divided_where_it_begins_to_draw(
    stage: str, values: dict[str, str], once: str, rest: list[str]
) -> None:
    given = {"num_classes": 5, "num_training_samples": 10, "image_shape": "3,28,28", **values}
    split = build_transform(ImageClassificationHyperparameters.parse(given), stage).split()  # type: ignore[arg-type]
    assert split.name == once and (split.rest is None) == (not rest)
    parts = ("affine", "crop", "color", "mirror", "grey")
    assert [name for name in parts if getattr(split.random_part, name, None) is not None] == rest


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [Mirror()],
        [Mirror(), CROP],
        [CROP, CROP],
        [Crop(4, 4, at_random=False), Mirror()],
        [Crop(4, 4, at_random=True, p=0.5)],
        [CROP, HLSShift(1, 1, 1, channel_p=0.5)],
        [CROP, HLSShift(1, 1, 1, p=0.5)],
        [CROP, Mirror(), Grey(), Mirror()],
    ],
)
def test_other_steps_and_orders_are_no_random_part(steps: list[Augmentation]) -> None:
    assert RandomPart.of(steps) is None


def test_detection_is_resized_once_for_validation_and_augmented_image_by_image() -> None:
    resize = PlainResize(300)
    assert isinstance(resize, Splittable)
    split = resize.split()
    assert split.random_part is None and split.rest is None and split.fixed is resize
    assert "300" in split.name
    augmentation = SSDAugmentation(300)
    assert isinstance(augmentation, Splittable)
    split = augmentation.split()
    assert split.random_part is None and split.rest is augmentation


def test_whether_an_augmentation_draws() -> None:
    assert not Crop(4, 4, at_random=False).is_random and CROP.is_random and Mirror().is_random
    assert not Resize(4, 4).is_random and Resize(4, 4, (cv2.INTER_LINEAR, cv2.INTER_AREA)).is_random
    assert not Grey().is_random and Grey(p=0.5).is_random and Resize(4, 4, p=0.5).is_random


def test_the_description_tells_settings_apart() -> None:
    assert describe([Resize(4, 5)]) != describe([Resize(5, 4)]) != describe([Resize(5, 4), Grey()])


def test_the_crop_must_fit() -> None:
    random_part = RandomPart.of([CROP])
    assert random_part is not None
    assert random_part.fits((4, 4, 3)) and not random_part.fits((3, 9, 3)) and not random_part.fits((9, 3, 3))
