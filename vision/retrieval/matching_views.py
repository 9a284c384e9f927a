"""Whether two images show one object or scene: local features that a single change of view carries over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

# Longest side at which features are found, and how many.
_SIDE_PX = 640
# Images below the first side have next to no features until they are enlarged to the second.
_SMALL_PX, _ENLARGED_PX = 64, 256
_FEATURES = 800
# Lowe 2004: a match must be this much nearer than the second nearest.
_RATIO = 0.8
_REPROJECTION_PX = 5.0
# Fewer agree by chance: a change of view alone has 8 numbers.
LEAST_INLIERS = 12
# Copies of two sets of photos have at least 0.96 and 0.88, changed by 0.55 of their sides, borders and brightness.
_VIEW_PX, _SOFTENED_PX, _LEAST_PIXELS = 160, 2.0, 50
_LEAST_CORRELATION, _LEAST_OVERLAP = 0.96, 0.85


@dataclass(frozen=True)
class ChangeOfView:
    """How many matches are ``agreeing`` on one ``homography`` [3, 3] from places in the first image to the second."""

    agreeing: int
    homography: np.ndarray


@dataclass(frozen=True)
class LocalFeatures:
    """SIFT features of an image: ``points_px`` float32 [F, 2] and ``descriptors`` float32 [F, 128]."""

    points_px: np.ndarray
    descriptors: np.ndarray

    def mirrored(self) -> LocalFeatures:
        """Return the features of the mirrored image, whose points lie left of 0, by the order of the numbers alone."""
        # 4 x 4 cells around the point, seen along its direction, with 8 angles each: both change their sign.
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
        return LocalFeatures(
            self.points_px * np.array([-1, 1], np.float32), np.ascontiguousarray(cells).reshape(-1, 128)
        )


NO_FEATURES = LocalFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))


def local_features(rgb: np.ndarray) -> LocalFeatures:
    """Find the features of an image uint8 [H, W, 3]."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = _scale(gray)
    if scale > 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale)
    elif scale < 1:
        # A very long image keeps a pixel of its other side.
        height, width = (max(1, round(side * scale)) for side in gray.shape)
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.SIFT_create(_FEATURES).detectAndCompute(gray, None)  # type: ignore[attr-defined]
    if descriptors is None:
        return NO_FEATURES
    # Root-SIFT (Arandjelovic and Zisserman 2012).
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-7))
    return LocalFeatures(np.array([point.pt for point in points], np.float32), rooted.astype(np.float32))


def _scale(gray: np.ndarray) -> float:
    """Return how much an image [H, W] is enlarged or reduced before features are found in it."""
    longest = max(gray.shape)
    return _ENLARGED_PX / longest if longest < _SMALL_PX else min(1.0, _SIDE_PX / longest)


def agreeing_matches(first: LocalFeatures, second: LocalFeatures) -> int:
    """Return how many matches one homography explains (RANSAC); below ``LEAST_INLIERS`` they mean nothing."""
    return change_of_view(first, second).agreeing


def change_of_view(first: LocalFeatures, second: LocalFeatures) -> ChangeOfView:
    """Return the homography on which most matches agree."""
    none = ChangeOfView(0, np.eye(3))
    if min(len(first.points_px), len(second.points_px)) < 4:
        return none
    matches: Sequence[Sequence[cv2.DMatch]] = cv2.BFMatcher().knnMatch(first.descriptors, second.descriptors, k=2)
    good = [best for best, *rest in matches if rest and best.distance < _RATIO * rest[0].distance]
    if len(good) < 4:
        return none
    source = first.points_px[[match.queryIdx for match in good]]
    target = second.points_px[[match.trainIdx for match in good]]
    # The generator of RANSAC starts from one state, so that the same images give the same number.
    cv2.setRNGSeed(0)
    homography, mask = cv2.findHomography(source, target, cv2.RANSAC, _REPROJECTION_PX)
    if mask is None:
        return none
    inliers = mask.ravel().astype(bool)
    # Many features of one spot are one agreement.
    return ChangeOfView(len(np.unique(np.round(target[inliers]), axis=0)), homography)


@dataclass(frozen=True)
class SmallView:
    """``gray`` float32 [h, w], softened, at most 160 px a side, and its size by that of the image of the features."""

    gray: np.ndarray
    scale: float
    direction: Literal[1, -1] = 1

    @property
    def frame(self) -> np.ndarray:
        """The matrix [3, 3] from places of features to pixels of this view."""
        return np.diag([self.scale * self.direction, self.scale, 1.0])

    @classmethod
    def of(cls, rgb: np.ndarray) -> SmallView:
        """Return the view of an image uint8 [H, W, 3]."""
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        factor = min(1.0, _VIEW_PX / max(gray.shape))
        height, width = (max(1, round(side * factor)) for side in gray.shape)
        small = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        return cls(cv2.GaussianBlur(small, (0, 0), _SOFTENED_PX), factor / _scale(gray))

    def mirrored(self) -> SmallView:
        """Return the view for the features of the mirrored image: the same pixels, reached by columns left of 0."""
        return SmallView(self.gray, self.scale, -1)


def pixels_agree(first: SmallView, second: SmallView, homography: np.ndarray) -> bool:
    """Return whether nearly all of one image lies in the other, pixel by pixel the same but for its brightness.

    ``homography`` leads from the features of the first to those of the second. Other photos of one scene differ in
    their shadows and depths, and neighboring frames of a film in what they show.
    """
    there = second.frame @ homography @ np.linalg.inv(first.frame)
    if abs(np.linalg.det(there)) < 1e-9:
        return False
    sides = (_agreement(first.gray, second.gray, there), _agreement(second.gray, first.gray, np.linalg.inv(there)))
    return max(overlap for overlap, _ in sides) >= _LEAST_OVERLAP and max(c for _, c in sides) >= _LEAST_CORRELATION


def _agreement(first: np.ndarray, second: np.ndarray, there: np.ndarray) -> tuple[float, float]:
    """Return the share of the first view that lies in the second, and the correlation of both in that share."""
    size, flags = first.shape[::-1], cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(np.ones_like(second), there, size, flags=flags | cv2.INTER_NEAREST)
    inside = cv2.erode(seen, np.ones((5, 5))) > 0
    if inside.sum() < _LEAST_PIXELS:
        return 0.0, 0.0
    moved = cv2.warpPerspective(second, there, size, flags=flags | cv2.INTER_LINEAR)
    one, other = (view[inside] - view[inside].mean() for view in (first, moved))
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(seen.mean()), float(one @ other) / max(length, 1e-6)
