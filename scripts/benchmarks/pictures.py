"""Records to measure with: JPEGs of noise at all scales, about as many bytes as photographs of that size have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vision.data.recordio import pack
from vision.data.recordio_writer import RecordIOWriter

DIFFERENT = 64
CLASSES = 10


def write_records(path: Path, width_px: int, height_px: int, count: int) -> None:
    """A .rec of ``count`` pictures and its .idx. After ``DIFFERENT`` pictures they come again."""
    rng = np.random.default_rng(0)
    pictures = [_picture(rng, width_px, height_px) for _ in range(min(DIFFERENT, count))]
    with RecordIOWriter(path) as writer:
        for number in range(count):
            writer.write(number, pack(float(number % CLASSES), number, pictures[number % len(pictures)]))


def _picture(rng: np.random.Generator, width_px: int, height_px: int) -> bytes:
    image = np.full((height_px, width_px, 3), 128.0, np.float32)
    cells = 2
    while cells < min(width_px, height_px):
        noise = rng.normal(0, 60 / cells**0.6, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    image += rng.normal(0, 3, image.shape)
    return cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
