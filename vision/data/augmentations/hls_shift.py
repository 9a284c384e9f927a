"""One offset a channel in OpenCV's 8-bit hue, lightness, saturation, the same for the whole image."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from vision.data.augmentations.augmentation import NO_TARGET, PixelAugmentation, SpatialTarget

_MAX_HUE = 180


class HLSShift(PixelAugmentation):
    """Add whole numbers within +-max_hue (unit 2 degrees), +-max_saturation and +-max_lightness (of 255).

    Each is drawn uniformly, cut off towards zero and, with probability ``channel_p`` of its own, applied.
    Sums are clipped: hue to [0, 180] without turning around, the others to [0, 255], as in MXNet.
    """

    def __init__(
        self, max_hue: int, max_saturation: int, max_lightness: int, channel_p: float = 1.0, p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        self.max_hue = max_hue
        self.max_saturation = max_saturation
        self.max_lightness = max_lightness
        self.channel_p = channel_p

    def draw(self, rng: random.Random, shape: tuple[int, ...], target: SpatialTarget = NO_TARGET) -> dict[str, Any]:
        limits = (self.max_hue, self.max_lightness, self.max_saturation)
        offsets = [int(rng.uniform(-limit, limit)) for limit in limits]
        if self.channel_p < 1.0:
            offsets = [offset if rng.random() < self.channel_p else 0 for offset in offsets]
        return {"hls_offsets": tuple(offsets)}

    def apply(self, img: np.ndarray, hls_offsets: tuple[int, int, int], **params: Any) -> np.ndarray:
        if not any(hls_offsets):
            return img
        hls = cv2.cvtColor(img, cv2.COLOR_RGB2HLS)
        cv2.add(hls, (*hls_offsets, 0), dst=hls)  # type: ignore[call-overload]
        if hls_offsets[0] > 0:
            cv2.min(hls, (_MAX_HUE, 255, 255, 255), dst=hls)  # type: ignore[call-overload]
        return cv2.cvtColor(hls, cv2.COLOR_HLS2RGB, dst=hls)
