"""Scenes of handwritten digits on dark textures with known boxes: a small data set for detection.

Legend: M objects in a scene, S side of a scene in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.data.sample_data.digits import Digits, load_digits, split_digits, write_class_names

SIDE_PX = 300
MOST_OBJECTS = 6
# Large enough for the coarse feature maps, which learn first.
HEIGHT_UNIT = (0.18, 0.45)
# The largest share of the smaller box that another may cover.
MOST_COVERED = 0.05
# Ink and texture never share a grey level, so that the boxes can be found in the pixels too.
DARKEST_INK = 170
BRIGHTEST_TEXTURE = 110
_PLACING_TRIALS = 50
_GLYPH_PX = 128
_JPEG_QUALITY = 90
# First two numbers of a packed detection label: width of the header, numbers for each object.
_LABEL_HEADER = (2.0, 5.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """``image`` uint8 [S, S, 3] RGB; ``boxes_xyxy_px`` int64 [M, 4], last pixel excluded; ``labels`` int64 [M]."""

    image: np.ndarray
    boxes_xyxy_px: np.ndarray
    labels: np.ndarray

    def packed_label(self) -> np.ndarray:
        """Return a record's label, float32: a header, then class, x0, y0, x1, y1 of each object in fractions of S."""
        rows = np.column_stack([self.labels, self.boxes_xyxy_px / self.image.shape[0]])
        return np.concatenate([_LABEL_HEADER, rows.ravel()]).astype(np.float32)


def write_scenes(folder: Path, *, train: int, validation: int, classes: int, seed: int) -> dict[str, int]:
    """Write train.rec and validation.rec with scenes of the digits 0 to ``classes`` - 1, and classes.txt.

    The two show different handwriting. A scene depends on ``seed``, ``classes`` and its number only. Returns the
    number of scenes in each.
    """
    counts = {"train": train, "validation": validation}
    for part, (name, digits) in enumerate(split_digits(load_digits(), seed).items()):
        chosen = digits.take(np.flatnonzero(digits.labels < classes))
        with RecordIOWriter(folder / f"{name}.rec") as writer:
            for number in range(counts[name]):
                scene = draw_scene(chosen, np.random.default_rng([seed, part, number]))
                writer.write(number, pack(scene.packed_label(), number, encode_jpeg(scene.image)))
    write_class_names(folder, map(str, range(classes)))
    return counts


def draw_scene(digits: Digits, rng: np.random.Generator) -> Scene:
    """Draw a scene of one to six of ``digits``; those that find no room are left out."""
    image = draw_texture(rng, SIDE_PX)
    boxes: list[np.ndarray] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
        picked = int(rng.integers(len(digits)))
        ink = _ink(digits.grey[picked], height_px=round(rng.uniform(*HEIGHT_UNIT) * SIDE_PX))
        box = _free_place(ink.shape, boxes, rng)
        if box is not None:
            _paint(image, box, ink, _colour(rng))
            boxes.append(box)
            labels.append(int(digits.labels[picked]))
    return Scene(np.rint(image).astype(np.uint8), np.array(boxes), np.array(labels))


def _ink(grey: np.ndarray, height_px: int) -> np.ndarray:
    """Return the opacity of a digit, float32 [height, width] from 0 to 1, cropped to the ink and scaled to a height."""
    large = cv2.resize(grey, (_GLYPH_PX, _GLYPH_PX), interpolation=cv2.INTER_CUBIC)
    opacity = np.clip((large.astype(np.float32) - 110) / 60, 0, 1)
    rows, columns = (np.flatnonzero((opacity > 0.5).any(axis)) for axis in (1, 0))
    cut = opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width_px = max(1, round(cut.shape[1] * height_px / cut.shape[0]))
    return cv2.resize(cut, (min(width_px, SIDE_PX), height_px), interpolation=cv2.INTER_AREA)


def _free_place(shape: tuple[int, ...], taken: list[np.ndarray], rng: np.random.Generator) -> np.ndarray | None:
    """Return a box of ``shape`` that hardly covers those ``taken``; None if none was found."""
    height, width = shape
    for _ in range(_PLACING_TRIALS):
        left, top = int(rng.integers(SIDE_PX - width + 1)), int(rng.integers(SIDE_PX - height + 1))
        box = np.array([left, top, left + width, top + height])
        if all(_covered_share(box, other) <= MOST_COVERED for other in taken):
            return box
    return None


def _covered_share(box: np.ndarray, other: np.ndarray) -> float:
    """Return the common area as a share of the smaller box."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    smaller = min(np.prod(box[2:] - box[:2]), np.prod(other[2:] - other[:2]))
    return float(np.prod(np.maximum(sides, 0)) / smaller)


def _paint(image: np.ndarray, box: np.ndarray, ink: np.ndarray, colour: np.ndarray) -> None:
    left, top, right, bottom = box
    view = image[top:bottom, left:right]
    view += ink[:, :, None] * (colour - view)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Return a light color, float32 [3]."""
    return rng.uniform(DARKEST_INK, 255, 3).astype(np.float32)


def draw_texture(rng: np.random.Generator, side_px: int) -> np.ndarray:
    """Return a dark background of blotches, stripes and grain, float32 [side, side, 3]."""
    cells = int(rng.integers(3, 24))
    blotches = cv2.resize(rng.random((cells, cells, 3), np.float32), (side_px, side_px), interpolation=cv2.INTER_LINEAR)
    across, down = rng.uniform(-0.3, 0.3, 2)
    waves = across * np.arange(side_px)[None, :] + down * np.arange(side_px)[:, None]
    stripes = 0.5 + 0.5 * np.sin(waves + rng.uniform(0, 2 * np.pi))
    grain = rng.random((side_px, side_px, 1), np.float32)
    shares = rng.dirichlet([1.0, 1.0, 1.0])
    mixed = shares[0] * blotches + shares[1] * stripes[:, :, None] + shares[2] * grain
    return (mixed * BRIGHTEST_TEXTURE).astype(np.float32)


def encode_jpeg(image: np.ndarray) -> bytes:
    """Return an image uint8 [H, W, 3] RGB as a JPEG file."""
    written, encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert written
    return encoded.tobytes()
