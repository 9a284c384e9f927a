"""Records to measure with: JPEGs of noise at all scales, about as many bytes as photographs of that size have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter

DIFFERENT = 64
CLASSES = 10


def write_records(path: Path, width_px: int, height_px: int, count: int, *, objects: int = 0) -> None:
    """A .rec of ``count`` pictures and its .idx. After ``DIFFERENT`` pictures they come again.

    The label is a class, or so many ``objects``.
    """
    rng = np.random.default_rng(0)
    pictures = [_picture(rng, width_px, height_px) for _ in range(min(DIFFERENT, count))]
    with RecordIOWriter(path) as writer:
        for number in range(count):
            label = _boxes(rng, objects) if objects else number % CLASSES
            writer.write(number, pack(label, number, pictures[number % len(pictures)]))


def _boxes(rng: np.random.Generator, objects: int) -> list[float]:
    """The label of a picture with boxes of a tenth to a half of its sides."""
    sides = rng.uniform(0.1, 0.5, (objects, 2))
    corners = rng.uniform(0, 1 - sides)
    rows = np.column_stack([rng.integers(0, CLASSES, objects), corners, corners + sides])
    return [2.0, 5.0, *rows.ravel().tolist()]


def _picture(rng: np.random.Generator, width_px: int, height_px: int) -> bytes:
    image = np.full((height_px, width_px, 3), 128.0, np.float32)
    cells = 2
    while cells < min(width_px, height_px):
        noise = rng.normal(0, 60 / cells**0.6, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    image += rng.normal(0, 3, image.shape)
    return cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
