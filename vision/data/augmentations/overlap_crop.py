"""SSD's random crop: rectangles are tried until one overlaps an object enough.

Legend: T trials (all samplers one after another), M boxes.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, SpatialTarget
from vision.data.augmentations.window import ObjectWindow, Window, centers_inside, to_pixels


class OverlapCrop(ObjectWindow):
    """One sampler for each of ``min_overlaps``, in random order, ``trials`` rectangles each; the first
    success wins, and without any the image stays whole.

    A rectangle succeeds if its IoU with at least one box reaches the sampler's minimum and the centre of at
    least one box lies in it. Its size relative to the image is drawn from ``scales``, its aspect ratio
    (width over height, in pixels) from ``aspect_ratios``. Boxes whose centre lies outside are dropped, the
    others cut off at the edge. Without boxes the first rectangle is taken (MXNet cannot hold such images);
    a mask alone does not steer the choice.
    """

    def __init__(
        self,
        min_overlaps: tuple[float, ...],
        scales: tuple[float, float],
        aspect_ratios: tuple[float, float],
        trials: int,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.min_overlaps = min_overlaps
        self.scales = scales
        self.aspect_ratios = aspect_ratios
        self.trials = trials

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        boxes = np.zeros((0, 4)) if target.boxes_xyxy_unit is None else target.boxes_xyxy_unit
        order = rng.sample(self.min_overlaps, len(self.min_overlaps))
        min_overlap = np.repeat(order, self.trials)  # [T]
        # All trials in one draw: arrays need numpy's generator, seeded by ours.
        generator = np.random.default_rng(rng.getrandbits(64))
        windows_px = self._windows_px(generator, shape, len(min_overlap))  # [T, 4]
        succeeds = _succeeds(windows_px, min_overlap, to_pixels(boxes, shape))
        first = int(succeeds.argmax())
        window = Window(*windows_px[first].tolist()) if succeeds[first] else Window.whole(shape)
        return {"window": window}

    def _windows_px(self, generator: np.random.Generator, shape: tuple[int, ...], count: int) -> np.ndarray:
        """Return random rectangles of whole pixels inside the image, int64 [T, 4]: left, top, right, bottom."""
        image_height, image_width = shape[:2]
        uniform = generator.random((4, count))
        scale = self.scales[0] + uniform[0] * (self.scales[1] - self.scales[0])
        # The square of the ratio width / height relative to the image's own; the second limit of each keeps
        # width and height below 1. For very long images the limits cross; the draw then lies between them.
        image_aspect = image_width / image_height
        lowest = np.maximum(self.aspect_ratios[0] / image_aspect, scale**2)
        highest = np.minimum(self.aspect_ratios[1] / image_aspect, 1.0 / scale**2)
        ratio = np.sqrt(lowest + uniform[1] * (highest - lowest))
        width = np.minimum(1.0, scale * ratio)
        height = np.minimum(1.0, scale / ratio)
        left = (uniform[2] * (1.0 - width) * image_width).astype(np.int64)
        top = (uniform[3] * (1.0 - height) * image_height).astype(np.int64)
        right = left + np.maximum(1, (width * image_width).astype(np.int64))
        bottom = top + np.maximum(1, (height * image_height).astype(np.int64))
        return np.stack([left, top, right, bottom], axis=1)


def _succeeds(windows_px: np.ndarray, min_overlap: np.ndarray, boxes_px: np.ndarray) -> np.ndarray:
    """Return whether each window [T, 4] may be cut out, bool [T], given the least IoU it must reach [T]."""
    if len(boxes_px) == 0:
        return np.ones(len(windows_px), bool)
    left, top, right, bottom = windows_px.T[:, :, None]  # each [T, 1]
    shared_width = np.minimum(right, boxes_px[:, 2]) - np.maximum(left, boxes_px[:, 0])
    shared_height = np.minimum(bottom, boxes_px[:, 3]) - np.maximum(top, boxes_px[:, 1])
    shared = np.maximum(shared_width, 0.0) * np.maximum(shared_height, 0.0)  # [T, M]
    box_area = (boxes_px[:, 2] - boxes_px[:, 0]) * (boxes_px[:, 3] - boxes_px[:, 1])
    iou = shared / ((right - left) * (bottom - top) + box_area - shared)
    return (iou.max(axis=1) >= min_overlap) & centers_inside(windows_px, boxes_px).any(axis=1)
