"""How an image becomes the network's input: SageMaker's ``augmentation_type``, validation and inference.

The three stages differ by design, as SageMaker's do: training and validation cut ``image_shape`` out of the
image (after ``resize``), inference squeezes the whole image into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from vision.algorithms.algorithm import Stage
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.data.augmentations.affine import Affine
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop, ImageSmallerThanCropError
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.image_random import ImageRandom
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.resize import (
    EnlargeToFit,
    Resize,
    ResizedImageTooLargeError,
    ShortSideResize,
)
from vision.data.cache.transform_split import RandomPart, TransformSplit, describe
from vision.settings.augmentation import AugmentationSettings
from vision.settings.errors import DataError

# MXNet's fill for what a rotation uncovers.
FILL_VALUE = 127
AS_DOCUMENTED = AugmentationSettings()


class ClassificationTransform:
    """Runs albumentations transforms one after another; the target passes unchanged."""

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        self.augmentations = tuple(augmentations)

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        """Transform an image uint8 [H, W, 3] to uint8 [h, w, c] of ``image_shape``, which may share the input's pixels.

        With a seed the result depends on nothing else; without one every call draws other numbers. ``key`` names the
        record in errors.
        """
        rng = ImageRandom(rng_seed)
        try:
            for augmentation in self.augmentations:
                if augmentation.draws(rng):
                    image = augmentation.apply(image, **augmentation.draw(rng, image.shape))
        except ImageSmallerThanCropError as error:
            raise DataError(key, self._too_small(error)) from None
        except ResizedImageTooLargeError as error:
            raise DataError(
                key,
                f"the image is so long and narrow that resizing its short side would make it {error.width}"
                f" wide and {error.height} high; cut it into pieces or remove it",
            ) from None
        return image, target

    def needed(self, height: int, width: int) -> tuple[int, int] | None:
        """Return the size that an image of ``height`` x ``width`` px is first resized to; None if only cropped."""
        first = self.augmentations[0] if self.augmentations else None
        return first.size(height, width) if isinstance(first, Resize) else None

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape of an image of ``shape`` (height, width, channels) after all that is not random."""
        for augmentation in self.augmentations:
            shape = augmentation.shape_after(shape)
        return shape

    def split(self) -> TransformSplit:
        """Split it into what is done to an image once and what is drawn at random each time."""
        once = tuple(takewhile(lambda step: not step.is_random, self.augmentations))
        left = self.augmentations[len(once) :]
        rest = ClassificationTransform(left) if left else None
        return TransformSplit(ClassificationTransform(once), describe(once), RandomPart.of(left), rest)

    def _too_small(self, error: ImageSmallerThanCropError) -> str:
        height, width = next((a.height, a.width) for a in self.augmentations if isinstance(a, Crop))
        return (
            f"the image is {error.width} wide and {error.height} high, smaller than image_shape asks for"
            f" ({width} wide, {height} high); set run.enlarge_small_images=true to enlarge such images,"
            f" hp.resize={max(height, width)} or more to resize all, or choose a smaller image_shape"
        )


def build_transform(
    hyperparameters: ImageClassificationHyperparameters, stage: Stage, settings: AugmentationSettings = AS_DOCUMENTED
) -> ClassificationTransform:
    """Return the transform of one stage.

    ``train``: ``resize``, then what ``augmentation_type`` says. An image smaller than ``image_shape`` is a
    DataError, as SageMaker documents, unless the settings have it enlarged. Windows that were cut at random
    (``random_resized_crop``) are brought to ``image_shape`` instead of ``resize``.
    ``validation``: ``resize``, then the center of the image. Smaller images are enlarged until they cover
    ``image_shape`` (MXNet since 1.3), since a figure must rest on every image and inference takes them too.
    ``inference``: straight to ``image_shape``; the aspect ratio is not kept.

    With one channel the color is dropped last, so that every level works.
    """
    channels, height, width = hyperparameters.image_shape
    steps: list[Augmentation] = []
    if stage == "inference":
        steps.append(Resize(height, width))
    elif stage == "train" and settings.random_resized_crop is not None:
        steps += [Resize(height, width), *_augmentations(hyperparameters.augmentation_type, height, width)]
    else:
        if hyperparameters.resize is not None:
            steps.append(ShortSideResize(hyperparameters.resize))
        if stage == "train":
            steps += [EnlargeToFit(height, width)] if settings.enlarge_small_images else []
            steps += _augmentations(hyperparameters.augmentation_type, height, width)
        else:
            steps += [EnlargeToFit(height, width), Crop(height, width, at_random=False)]
    if channels == 1:
        steps.append(Grey())
    return ClassificationTransform(steps)


def _augmentations(augmentation_type: str | None, height: int, width: int) -> list[Augmentation]:
    """The levels of SageMaker's documentation, in the order of MXNet's ``image_aug_default.cc``."""
    if augmentation_type is None:
        return [Crop(height, width, at_random=False)]
    steps: list[Augmentation] = [Crop(height, width, at_random=True)]
    if augmentation_type == "crop_color_transform":
        steps.insert(0, Affine(max_angle_deg=10, max_shear=0.1, max_aspect_change=0.25, fill_value=FILL_VALUE))
    if augmentation_type in ("crop_color", "crop_color_transform"):
        steps.append(HLSShift(max_hue=36, max_saturation=50, max_lightness=50))
    steps.append(Mirror())
    return steps
