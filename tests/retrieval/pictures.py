"""Pictures with corners to be recognized by, and what people do to copies of them."""

from __future__ import annotations

import cv2
import numpy as np


def picture(seed: int, side_px: int = 240) -> np.ndarray:
    """Return uint8 [side, side, 3]: overlapping shapes on a ground of soft noise."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    image = np.ascontiguousarray(cv2.resize(small, (side_px, side_px), interpolation=cv2.INTER_CUBIC))
    for _ in range(60):
        color = tuple(int(value) for value in generator.integers(0, 255, 3))
        x, y, width, height = (int(value) for value in generator.integers(4, side_px, 4))
        cv2.rectangle(image, (x, y), (x + width // 8 + 3, y + height // 8 + 3), color, -1)
    return image


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def reencoded(image: np.ndarray, quality: int = 60) -> np.ndarray:
    decoded = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded
