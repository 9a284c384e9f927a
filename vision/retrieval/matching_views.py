"""Whether two images show one object or scene: local features that a single change of view carries over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class LocalFeatures:
    """SIFT features of an image: ``points_px`` float32 [F, 2] and ``descriptors`` float32 [F, 128]."""

    points_px: np.ndarray
    descriptors: np.ndarray


def local_features(rgb: np.ndarray) -> LocalFeatures:
    """Find the features of an image uint8 [H, W, 3]."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = _SIDE_PX / max(gray.shape)
    if max(gray.shape) < _SMALL_PX:
        gray = cv2.resize(gray, None, fx=_ENLARGED_PX / max(gray.shape), fy=_ENLARGED_PX / max(gray.shape))
    elif scale < 1:
        # A very long image keeps a pixel of its other side.
        height, width = (max(1, round(side * scale)) for side in gray.shape)
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.SIFT_create(_FEATURES).detectAndCompute(gray, None)  # type: ignore[attr-defined]
    if descriptors is None:
        return LocalFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    # Root-SIFT (Arandjelovic and Zisserman 2012).
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-7))
    return LocalFeatures(np.array([point.pt for point in points], np.float32), rooted.astype(np.float32))


def agreeing_matches(first: LocalFeatures, second: LocalFeatures) -> int:
    """Return how many matches one homography explains (RANSAC); below ``LEAST_INLIERS`` they mean nothing."""
    if min(len(first.points_px), len(second.points_px)) < 4:
        return 0
    matches: Sequence[Sequence[cv2.DMatch]] = cv2.BFMatcher().knnMatch(first.descriptors, second.descriptors, k=2)
    good = [best for best, *rest in matches if rest and best.distance < _RATIO * rest[0].distance]
    if len(good) < 4:
        return 0
    source = first.points_px[[match.queryIdx for match in good]]
    target = second.points_px[[match.trainIdx for match in good]]
    # The generator of RANSAC starts from one state, so that the same images give the same number.
    cv2.setRNGSeed(0)
    _, mask = cv2.findHomography(source, target, cv2.RANSAC, _REPROJECTION_PX)
    if mask is None:
        return 0
    inliers = mask.ravel().astype(bool)
    # Many features of one spot are one agreement.
    return len(np.unique(np.round(target[inliers]), axis=0))
