"""How an image and its boxes become the network's input: the augmentation of SSD, and plain resizing.

Training follows MXNet's ``image_det_aug_default.cc`` with the settings of its SSD example. Two things are
better here: boxes are projected onto the whole pixels that are kept, and images without boxes are allowed.
"""

from __future__ import annotations

import random

import cv2
import numpy as np

from vision.algorithms.algorithm import Stage
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.targets import DetectionTarget, numbered_boxes, selected_objects
from vision.data.augmentations.augmentation import Augmentation, SpatialTarget
from vision.data.augmentations.augmented_transform import Untouched
from vision.data.augmentations.contrast import Contrast
from vision.data.augmentations.expand import Expand
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.overlap_crop import OverlapCrop
from vision.data.augmentations.resize import ALL_INTERPOLATIONS, Resize
from vision.data.augmentations.window import Window, WindowAugmentation
from vision.data.cache.transform_split import TransformSplit, describe

FILL_VALUE = 127


class PlainResize:
    """The whole image to the square, bilinear; fractions of the image stay what they are."""

    def __init__(self, size_px: int) -> None:
        self.resize = Resize(size_px, size_px)

    def __call__(
        self, image: np.ndarray, target: DetectionTarget, rng_seed: int | None, key: str
    ) -> tuple[np.ndarray, DetectionTarget]:
        """Image uint8 [H, W, 3] to uint8 [size, size, 3]; nothing is drawn."""
        size = self.resize.size(*image.shape[:2])
        return self.resize.apply(image, size, cv2.INTER_LINEAR), target

    def needed(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that any image is resized to."""
        return self.resize.size(height, width)

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape of an image of ``shape`` (height, width, channels) after it."""
        return self.resize.shape_after(shape)

    def split(self) -> TransformSplit:
        """Put all of it into what is done to an image once."""
        return TransformSplit(self, describe([self.resize]))


class SSDAugmentation:
    """Color, contrast, mirror, expand, crop, resize: decided in this order, done to the kept pixels only.

    Color and flip work pixel by pixel, so doing them after the cut gives the same picture for less work. The
    canvas of ``expand`` is never made in full size: the image is resized straight to its place on the square,
    whose edges are whole pixels there; boxes follow (within half a pixel of where the canvas would put them).
    """

    def __init__(self, size_px: int) -> None:
        self.color = HLSShift(max_hue=18, max_saturation=32, max_lightness=32, channel_p=0.5)
        self.contrast = Contrast(max_change=0.5, p=0.5)
        self.mirror = Mirror(p=0.5)
        self.expand = Expand(max_scale=4.0, fill_value=FILL_VALUE, p=0.5)
        self.crop = OverlapCrop(
            min_overlaps=(0.1, 0.3, 0.5, 0.7, 0.9),
            scales=(0.3, 1.0),
            aspect_ratios=(0.5, 2.0),
            trials=25,
            p=5 / 6,
        )
        self.resize = Resize(size_px, size_px, ALL_INTERPOLATIONS)

    @property
    def augmentations(self) -> tuple[Augmentation, ...]:
        """The albumentations transforms in their order."""
        return (self.color, self.contrast, self.mirror, self.expand, self.crop, self.resize)

    def __call__(
        self, image: np.ndarray, target: DetectionTarget, rng_seed: int | None, key: str
    ) -> tuple[np.ndarray, DetectionTarget]:
        """Transform an image uint8 [H, W, 3] and its boxes to uint8 [size, size, 3] and the boxes that are still in it.

        At least one box stays if there was one (narrower than a millionth of the image may vanish). With a
        seed the result depends on nothing else; without one every call draws other numbers.
        """
        rng = random.Random(rng_seed)
        pixelwise: list[tuple[Augmentation, dict[str, object]]] = [
            (augmentation, augmentation.draw(rng, image.shape))
            for augmentation in (self.color, self.contrast)
            if augmentation.draws(rng)
        ]
        boxes = numbered_boxes(target)
        mirrored = self.mirror.draws(rng)
        if mirrored:
            boxes = self.mirror.apply_to_bboxes(boxes)
        window, boxes = self._draw_window(rng, image.shape, boxes)
        resizing = self.resize.draw(rng, window.shape)
        size = resizing["size"]
        shown = window.inside(image.shape)
        if shown.is_empty:
            return np.full((*size, 3), FILL_VALUE, np.uint8), selected_objects(target, boxes)

        pixels = (shown.mirrored(image.shape[1]) if mirrored else shown).view(image)
        for augmentation, drawn in pixelwise:
            pixels = augmentation.apply(pixels, **drawn)
        if mirrored:
            pixels = self.mirror.apply(pixels)
        part = shown.shifted(-window.left, -window.top)
        place = part.scaled(window.shape, size)
        resized = self.resize.apply(pixels, place.shape, resizing["method"])
        boxes = place.unproject(part.project(boxes, window.shape), size)
        return place.on_canvas(resized, size, FILL_VALUE), selected_objects(target, boxes)

    def _draw_window(self, rng: random.Random, shape: tuple[int, ...], boxes: np.ndarray) -> tuple[Window, np.ndarray]:
        """What expanding and cropping leave of an image of ``shape``, in its frame, and the boxes there."""
        window = Window.whole(shape)
        steps: tuple[WindowAugmentation, ...] = (self.expand, self.crop)
        for augmentation in steps:
            if augmentation.draws(rng):
                shown = window.shape
                drawn = augmentation.draw(rng, shown, SpatialTarget(boxes))
                boxes = augmentation.apply_to_bboxes(boxes, drawn["window"], shown)
                window = drawn["window"].shifted(window.left, window.top)
        return window, boxes

    def split(self) -> TransformSplit:
        """Even the size that pixels are resized from is drawn: nothing but decoding is done once."""
        return TransformSplit(Untouched(), "", rest=self)


def build_transform(hyperparameters: ObjectDetectionHyperparameters, stage: Stage) -> SSDAugmentation | PlainResize:
    """Return the transform of one stage; validation and inference resize without keeping the aspect ratio."""
    if stage == "train":
        return SSDAugmentation(hyperparameters.image_shape)
    return PlainResize(hyperparameters.image_shape)
