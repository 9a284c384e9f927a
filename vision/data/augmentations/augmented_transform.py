"""The augmentation that run settings ask for, before and after an algorithm's own; targets follow as it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, Augmentation, SpatialTarget
from vision.data.augmentations.auto_augment import AutoAugment
from vision.data.augmentations.erasing import Erasing
from vision.data.augmentations.image_random import ImageRandom
from vision.data.augmentations.pipeline import Pipeline
from vision.data.augmentations.random_window import RandomWindow
from vision.data.cache.transform_split import Splittable, TransformSplit
from vision.data.dataset import Reducing, Transform
from vision.settings.augmentation import AugmentationSettings

# Turns the seed of an image into that of another stream, so that the algorithm's own draws are what they were.
_OTHER_STREAM = 0xA5A5_5A5A_C3C3_3C3C

Step: TypeAlias = "Augmentation | Pipeline"


class Movable(Protocol):
    """What knows what of a target lies somewhere in its image: an algorithm."""

    def spatial_target(self, target: Any) -> SpatialTarget:
        """Return what moves with the image."""

    def moved_target(self, target: Any, moved: SpatialTarget) -> Any:
        """Return the target with that in its new place."""


class Untouched:
    """The image as it was decoded."""

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        """Return both as they are."""
        return image, target

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape of an image of ``shape`` after it."""
        return shape


@dataclass(frozen=True)
class AugmentedTransform:
    """``before`` works on the decoded image, ``own`` is the algorithm's, ``after`` works on what the network gets."""

    own: Transform
    algorithm: Movable
    before: tuple[Step, ...]
    after: tuple[Step, ...]

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        """Transform an image uint8 [H, W, 3] and its target; with a seed the result depends on nothing else."""
        rng = ImageRandom(None if rng_seed is None else rng_seed ^ _OTHER_STREAM)
        image, target = self._done(self.before, image, target, rng, key)
        image, target = self.own(image, target, rng_seed, key)
        return self._done(self.after, image, target, rng, key)

    def _done(
        self, steps: Sequence[Step], image: np.ndarray, target: Any, rng: ImageRandom, key: str
    ) -> tuple[np.ndarray, Any]:
        if not steps:
            return image, target
        placed = NO_TARGET if target is None else self.algorithm.spatial_target(target)
        for step in steps:
            if isinstance(step, Pipeline):
                image, placed = step.run(image, placed, rng, key)
            elif step.draws(rng):
                shape, drawn = image.shape, step.draw(rng, image.shape, placed)
                image, placed = step.apply(image, **drawn), step.apply_to_target(placed, shape, **drawn)
        return image, None if target is None else self.algorithm.moved_target(target, placed)

    def needed(self, height: int, width: int) -> tuple[int, int] | None:
        """Return the size that an image of ``height`` x ``width`` px is first resized to; None if it is not."""
        return self.own.needed(height, width) if isinstance(self.own, Reducing) and not self.before else None

    def split(self) -> TransformSplit:
        """Split off what is done once: what the algorithm does first, if nothing precedes, else decoding alone."""
        if self.before or not isinstance(self.own, Splittable):
            return TransformSplit(Untouched(), "", rest=self)
        parts = self.own.split()
        return TransformSplit(parts.fixed, parts.name, rest=replace(self, own=parts.rest or Untouched()))


def augmented(own: Transform, algorithm: Movable, settings: AugmentationSettings, *, has_boxes: bool) -> Transform:
    """Return an algorithm's own transform of training images with what the settings add; itself if that is nothing."""
    before: list[Step] = []
    after: list[Step] = []
    if settings.random_resized_crop is not None:
        before.append(RandomWindow(settings.random_resized_crop))
    if settings.augmentation is not None:
        before.append(Pipeline(settings.augmentation))
    if settings.auto_augment is not None:
        after.append(AutoAugment(settings.auto_augment, colors_only=has_boxes))
    if settings.random_erasing > 0:
        after.append(Erasing(settings.random_erasing))
    return AugmentedTransform(own, algorithm, tuple(before), tuple(after)) if before or after else own
