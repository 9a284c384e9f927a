from __future__ import annotations

import pickle
from typing import Any, ClassVar

import numpy as np
import pytest

from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.augmentations.augmented_transform import AugmentedTransform, Untouched, augmented
from vision.data.augmentations.crop import Crop
from vision.data.cache.transform_split import TransformSplit
from vision.settings.augmentation import AugmentationSettings

FLIP = '{"transform": {"__class_fullname__": "HorizontalFlip", "p": 1.0}}'


class Corner:
    """Cuts the corner of 8 x 8 pixels out, and remembers the seeds."""

    seeds: ClassVar[list[int | None]] = []

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        self.seeds.append(rng_seed)
        return image[:8, :8], None if target is None else target[:8, :8]

    def split(self) -> TransformSplit:
        return TransformSplit(Crop(8, 8, at_random=False), "corner")


class Masks:
    """An algorithm whose target is a mask."""

    def spatial_target(self, target: np.ndarray) -> SpatialTarget:
        return SpatialTarget(mask=target)

    def moved_target(self, target: np.ndarray, moved: SpatialTarget) -> np.ndarray:
        return moved.mask


def made(**values: object) -> Any:
    return augmented(Corner(), Masks(), AugmentationSettings.parse(values), has_boxes=False)


def picture() -> tuple[np.ndarray, np.ndarray]:
    """An image 20 x 30 whose values are those of its mask."""
    mask = np.arange(600, dtype=np.uint64).reshape(20, 30).astype(np.uint8) % 200
    return np.repeat(mask[:, :, None], 3, axis=2), mask


def test_nothing_asked_for_is_the_transform_itself() -> None:
    own = Corner()
    assert augmented(own, Masks(), AugmentationSettings(), has_boxes=False) is own


def test_a_pipeline_comes_before_and_the_target_goes_through_both() -> None:
    image, mask = picture()
    found, target = made(augmentation=FLIP)(image, mask, 3, "")
    assert np.array_equal(target, mask[:8, ::-1][:, :8])
    assert np.array_equal(found[:, :, 0], target)


def test_the_own_transform_draws_what_it_drew_without() -> None:
    Corner.seeds.clear()
    made(random_erasing=1.0)(*picture(), 77, "")
    assert Corner.seeds == [77]


@pytest.mark.parametrize("values", [{"random_resized_crop": 0.3}, {"auto_augment": "rand"}, {"random_erasing": 0.8}])
def test_the_seed_decides_and_changes_it(values: dict[str, object]) -> None:
    transform = pickle.loads(pickle.dumps(made(**values)))
    results = [transform(*picture(), seed, "") for seed in range(20)]
    again = [made(**values)(*picture(), seed, "") for seed in range(20)]
    for (image, mask), (other, other_mask) in zip(results, again, strict=True):
        assert np.array_equal(image, other)
        assert np.array_equal(mask, other_mask)
    assert len({image.tobytes() for image, _ in results}) > 8


def test_what_precedes_leaves_decoding_alone_to_be_done_once() -> None:
    before, after = made(random_resized_crop=0.5, random_erasing=1.0), made(random_erasing=1.0)
    assert isinstance(before.split().fixed, Untouched)
    assert before.split().rest is before
    parts = after.split()
    assert parts.name == "corner"
    assert isinstance(parts.rest, AugmentedTransform)
    image, mask = picture()
    once = image[:8, :8]
    assert np.array_equal(parts.rest(once, mask[:8, :8], 5, "")[0], after(image, mask, 5, "")[0])
