"""Base of our albumentations transforms: the random draw apart from the pixel work, one generator for all."""

from __future__ import annotations

import inspect
import random
from abc import abstractmethod
from typing import Any

import albumentations as A
import numpy as np
from albumentations.core.type_definitions import Targets

NO_BOXES = np.zeros((0, 4))


class Augmentation(A.DualTransform):
    """An albumentations transform that can also be called without ``A.Compose``.

    Inside ``A.Compose`` it behaves as any other transform. Our presets call ``draws``, ``draw``, ``apply``
    and ``apply_to_bboxes`` themselves, for three reasons. The generator is an argument, so that one object
    serves many threads and a seed decides one sample. ``Compose.set_random_seed`` seeds every transform
    alike, so that crop position and flip would depend on each other, and takes 39 microseconds a sample,
    four times what crop and flip of a small image take. And drawing needs no pixels, so that a preset can
    decide first and then touch only the pixels that are kept.
    """

    _targets = (Targets.IMAGE, Targets.BBOXES)

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
    def draw(
        self, rng: random.Random, shape: tuple[int, ...], boxes_xyxy_unit: np.ndarray = NO_BOXES
    ) -> dict[str, Any]:
        """Draw what ``apply`` and ``apply_to_bboxes`` take, for an image of ``shape`` (height, width, ...).

        ``boxes_xyxy_unit``: [M, 4 or more] corners as fractions of the image; further columns are kept.
        """

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape that an image of ``shape`` (height, width, channels) has after it, if it draws nothing."""
        return shape

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        return self.draw(self.py_random, params["shape"], data.get("bboxes", NO_BOXES))
