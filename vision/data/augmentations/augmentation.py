"""Base of our albumentations transforms: the random draw apart from the pixel work, one generator for all."""

from __future__ import annotations

import inspect
import random
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import albumentations as A
import numpy as np
from albumentations.core.type_definitions import Targets

# The class of mask pixels that count for nothing: those that an augmentation uncovers have no label.
IGNORED_CLASS = 255


@dataclass(frozen=True, eq=False, slots=True)
class SpatialTarget:
    """What lies somewhere in an image and must move with it.

    ``boxes_xyxy_unit`` float64 [M, 4 or more]: corners as fractions of the image; further columns are kept.
    ``mask`` uint8 [H, W] of the image's own size: the class of each pixel, 255 where it counts for nothing.
    """

    boxes_xyxy_unit: np.ndarray | None = None
    mask: np.ndarray | None = None


NO_TARGET = SpatialTarget()


class Augmentation(A.DualTransform):
    """An albumentations transform that can also be called without ``A.Compose``.

    Inside ``A.Compose`` it behaves as any other transform. Our presets call ``draws``, ``draw``, ``apply``
    and ``apply_to_target`` themselves, for three reasons. The generator is an argument, so that one object
    serves many threads and a seed decides one sample. ``Compose.set_random_seed`` seeds every transform
    alike, so that crop position and flip would depend on each other, and takes 39 microseconds a sample,
    four times what crop and flip of a small image take. And drawing needs no pixels, so that a preset can
    decide first and then touch only the pixels that are kept.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES)

    @property
    def is_random(self) -> bool:
        """Whether ``draw`` or ``draws`` draws anything."""
        return True

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that made this transform."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def draws(self, rng: random.Random) -> bool:
        """Decide whether the transform is applied, with probability ``p``."""
        # A certain outcome takes no number from the generator, as in albumentations.
        return bool(self.p >= 1.0 or (self.p > 0.0 and rng.random() < self.p))

    @abstractmethod
    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        """Draw what the ``apply`` methods take, for an image of ``shape`` (height, width, ...) with ``target``."""

    @abstractmethod
    def apply_to_bboxes(self, bboxes: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        """Move boxes float64 [M, 4 or more], fractions of the image, and drop those that are no longer shown."""

    @abstractmethod
    def apply_to_mask(self, mask: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        """Move a mask uint8 [H, W] by the nearest pixel; what is uncovered becomes ``IGNORED_CLASS``."""

    def apply_to_target(self, target: SpatialTarget, shape: tuple[int, ...], **drawn: Any) -> SpatialTarget:
        """Move what lies in an image that had ``shape`` before, as ``apply`` moves the pixels with what was drawn."""
        boxes, mask = target.boxes_xyxy_unit, target.mask
        assert mask is None or mask.shape == shape[:2], (mask.shape, shape)
        return SpatialTarget(
            None if boxes is None else self.apply_to_bboxes(boxes, shape=shape, **drawn),
            None if mask is None else self.apply_to_mask(mask, **drawn),
        )

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape that an image of ``shape`` (height, width, channels) has after it, if it draws nothing."""
        return shape

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        return self.draw(self.py_random, params["shape"], SpatialTarget(data.get("bboxes"), data.get("mask")))


class PixelAugmentation(Augmentation):
    """A transform that changes the values of pixels and moves none: boxes and masks stay as they are."""

    def apply_to_bboxes(self, bboxes: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        return bboxes

    def apply_to_mask(self, mask: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        return mask
