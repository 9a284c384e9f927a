"""Data to measure with: JPEGs of noise at all scales, about as many bytes as photographs of that size have."""

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


def write_pairs(folder: Path, width_px: int, height_px: int, count: int) -> dict[str, str]:
    """Write ``count`` pictures and their masks, PNGs of class ids in patches; return the folders by their channels."""
    rng = np.random.default_rng(0)
    channels = {name: str(folder / name) for name in ("train", "train_annotation")}
    for path in channels.values():
        Path(path).mkdir()
    for number in range(count):
        (folder / "train" / f"{number:04}.jpg").write_bytes(_picture(rng, width_px, height_px))
        patches = rng.integers(0, CLASSES, (6, 8), np.uint8)
        mask = cv2.resize(patches, (width_px, height_px), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / "train_annotation" / f"{number:04}.png"), mask)
    return channels | {name.replace("train", "validation"): path for name, path in channels.items()}


def _boxes(rng: np.random.Generator, objects: int) -> list[float]:
    """The label of a picture with boxes of a tenth to a half of its sides."""
    sides = rng.uniform(0.1, 0.5, (objects, 2))
    corners = rng.uniform(0, 1 - sides)
    rows = np.column_stack([rng.integers(0, CLASSES, objects), corners, corners + sides])
    return [2.0, 5.0, *rows.ravel().tolist()]


def picture(width_px: int, height_px: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Noise at all scales, uint8 [height, width, 3]."""
    rng = rng or np.random.default_rng(0)
    image = np.full((height_px, width_px, 3), 128.0, np.float32)
    cells = 2
    while cells < min(width_px, height_px):
        noise = rng.normal(0, 60 / cells**0.6, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    image += rng.normal(0, 3, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def _picture(rng: np.random.Generator, width_px: int, height_px: int) -> bytes:
    return cv2.imencode(".jpg", picture(width_px, height_px, rng), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
