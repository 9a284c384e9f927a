"""A rectangle of pixels to keep, and what keeping it does to the image, its boxes and its mask."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vision.data.augmentations.augmentation import IGNORED_CLASS, Augmentation


class Window(NamedTuple):
    """Columns ``left`` to ``right`` and rows ``top`` to ``bottom`` (exclusive), in whole pixels of a frame.

    It may reach beyond the image of that frame: what lies outside is filled. A ``shape`` is (height, width).
    """

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Window:
        """Return all of an image of ``shape``."""
        return cls(0, 0, shape[1], shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def is_empty(self) -> bool:
        return self.left >= self.right or self.top >= self.bottom

    def shifted(self, columns: int, rows: int) -> Window:
        return Window(self.left + columns, self.top + rows, self.right + columns, self.bottom + rows)

    def mirrored(self, image_width: int) -> Window:
        """Return the window that shows the same pixels after an image of ``image_width`` columns is mirrored."""
        return Window(image_width - self.right, self.top, image_width - self.left, self.bottom)

    def inside(self, shape: tuple[int, ...]) -> Window:
        """Return the part of this window that an image of ``shape`` covers; empty where they do not meet."""
        left, top = min(max(self.left, 0), shape[1]), min(max(self.top, 0), shape[0])
        right, bottom = max(left, min(self.right, shape[1])), max(top, min(self.bottom, shape[0]))
        return Window(left, top, right, bottom)

    def scaled(self, shape: tuple[int, ...], size: tuple[int, int]) -> Window:
        """Return where this part of an image of ``shape`` comes to lie when the image is resized to ``size``.

        Rounded to whole pixels, at least one.
        """
        y_scale, x_scale = size[0] / shape[0], size[1] / shape[1]
        left = min(round(self.left * x_scale), size[1] - 1)
        top = min(round(self.top * y_scale), size[0] - 1)
        right, bottom = max(left + 1, round(self.right * x_scale)), max(top + 1, round(self.bottom * y_scale))
        return Window(left, top, right, bottom)

    def view(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels of a window that lies inside ``image``, without a copy."""
        return image[self.top : self.bottom, self.left : self.right]

    def on_canvas(self, pixels: np.ndarray, shape: tuple[int, int], fill_value: int) -> np.ndarray:
        """Return an image of ``shape`` that shows ``pixels`` in this window and is filled elsewhere."""
        if self == Window.whole(shape):
            return pixels
        canvas = np.full((*shape, *pixels.shape[2:]), fill_value, pixels.dtype)
        self.view(canvas)[...] = pixels
        return canvas

    def cut(self, image: np.ndarray, fill_value: int) -> np.ndarray:
        """Return the pixels of this window, those outside the image filled; no copy where there are none."""
        inner = self.inside(image.shape)
        return inner.shifted(-self.left, -self.top).on_canvas(inner.view(image), self.shape, fill_value)

    def project(self, boxes_xyxy_unit: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the boxes of an image of ``shape`` as fractions of this window, cut off at its edges.

        Exact for the whole pixels that are kept; MXNet projects with the window before rounding.
        """
        image_height, image_width = shape[:2]
        height, width = self.shape
        boxes = boxes_xyxy_unit.copy()
        boxes[:, 0:4:2] = (boxes[:, 0:4:2] * image_width - self.left) / width
        boxes[:, 1:4:2] = (boxes[:, 1:4:2] * image_height - self.top) / height
        np.clip(boxes[:, :4], 0.0, 1.0, out=boxes[:, :4])
        return boxes

    def unproject(self, boxes_xyxy_unit: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the boxes as fractions of this window as fractions of the image of ``shape`` in which it lies."""
        height, width = self.shape
        boxes = boxes_xyxy_unit.copy()
        boxes[:, 0:4:2] = (boxes[:, 0:4:2] * width + self.left) / shape[1]
        boxes[:, 1:4:2] = (boxes[:, 1:4:2] * height + self.top) / shape[0]
        return boxes


class WindowAugmentation(Augmentation):
    """A transform that keeps one window of the image. ``draw`` gives ``{"window": Window}``."""

    fill_value = 0

    def apply(self, img: np.ndarray, window: Window, **params: Any) -> np.ndarray:
        return window.cut(img, self.fill_value)

    def apply_to_bboxes(self, bboxes: np.ndarray, window: Window, shape: tuple[int, ...], **params: Any) -> np.ndarray:
        return window.project(bboxes, shape)

    def apply_to_mask(self, mask: np.ndarray, window: Window, **params: Any) -> np.ndarray:
        return window.cut(mask, IGNORED_CLASS)


def to_pixels(boxes_xyxy_unit: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the boxes [M, 4] in pixels of an image of ``shape``."""
    height, width = shape[:2]
    return boxes_xyxy_unit[:, :4] * np.array([width, height, width, height], np.float64)


def centers_inside(windows_px: np.ndarray, boxes_px: np.ndarray) -> np.ndarray:
    """Return whether the center of each box [M, 4] lies in each window [T, 4], bool [T, M]."""
    x = (boxes_px[:, 0] + boxes_px[:, 2]) / 2.0
    y = (boxes_px[:, 1] + boxes_px[:, 3]) / 2.0
    left, top, right, bottom = windows_px.T[:, :, None]
    return (left <= x) & (x < right) & (top <= y) & (y < bottom)


class ObjectWindow(WindowAugmentation):
    """A window that drops the boxes whose center lies outside and cuts the others off at its edges."""

    def apply_to_bboxes(self, bboxes: np.ndarray, window: Window, shape: tuple[int, ...], **params: Any) -> np.ndarray:
        if window == Window.whole(shape):
            return bboxes
        keep = centers_inside(np.array([window]), to_pixels(bboxes, shape))[0]
        return window.project(bboxes[keep], shape)
