"""Scenes of colored shapes on dark textures with a mask each: a small data set for semantic segmentation.

Legend: S is the side of a scene in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vision.data.masks.mask_png import IGNORED, write_mask
from vision.data.sample_data.digits import write_class_names
from vision.data.sample_data.scenes import draw_texture, encode_jpeg
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder

CLASS_NAMES = ("background", "disc", "square", "triangle")
MOST_SHAPES = 4
# Shares of the scene's side.
RADIUS_UNIT = (0.12, 0.25)
# Hues overlap, so that color alone does not give the class. Degrees.
_HUES = (0.0, 120.0, 240.0)
_HUE_SPREAD = 30.0
# Coverage of a pixel between these is an edge, which does not count, as in the masks of PASCAL VOC.
_EDGE = (0.1, 0.9)
_FINER = 4


@dataclass(frozen=True, eq=False)
class ShapeScene:
    """``image`` uint8 [S, S, 3] RGB, ``mask`` uint8 [S, S] with class ids, IGNORED along the edges."""

    image: np.ndarray
    mask: np.ndarray


def write_shapes(folder: Path, *, train: int, validation: int, side_px: int, seed: int) -> dict[str, int]:
    """Write the folders train, train_annotation, validation and validation_annotation, and classes.txt.

    A scene depends on ``seed``, ``side_px``, its part and its number only. Returns the number of scenes in each part.
    """
    counts = {"train": train, "validation": validation}
    for part, (name, count) in enumerate(counts.items()):
        images, masks = folder / name, folder / f"{name}_annotation"
        make_folder(images)
        make_folder(masks)
        for number in range(count):
            scene = draw_shapes(np.random.default_rng([seed, part, number]), side_px)
            write_whole(images / f"{number:05}.jpg", encode_jpeg(scene.image))
            write_whole(masks / f"{number:05}.png", write_mask(scene.mask))
    write_class_names(folder, CLASS_NAMES)
    return counts


def draw_shapes(rng: np.random.Generator, side_px: int) -> ShapeScene:
    """Draw a scene of one to four shapes; later ones cover earlier ones."""
    image = draw_texture(rng, side_px)
    mask = np.zeros((side_px, side_px), np.uint8)
    for _ in range(int(rng.integers(1, MOST_SHAPES + 1))):
        class_id = int(rng.integers(1, len(CLASS_NAMES)))
        coverage = _coverage(class_id, rng, side_px)
        image += coverage[:, :, None] * (_color(class_id, rng) - image)
        mask[coverage >= _EDGE[1]] = class_id
        mask[(coverage > _EDGE[0]) & (coverage < _EDGE[1])] = IGNORED
    grain = rng.normal(0, 6, image.shape)
    return ShapeScene(np.clip(np.rint(image + grain), 0, 255).astype(np.uint8), mask)


def _coverage(class_id: int, rng: np.random.Generator, side_px: int) -> np.ndarray:
    """Return how much of each pixel a shape of random place, size and turn covers, float32 [S, S] from 0 to 1."""
    radius = rng.uniform(*RADIUS_UNIT) * side_px
    center = rng.uniform(0.1 * side_px, 0.9 * side_px, 2)
    angle = rng.uniform(0, 2 * np.pi)
    fine = np.zeros((side_px * _FINER, side_px * _FINER), np.uint8)
    if class_id == CLASS_NAMES.index("disc"):
        x, y = np.rint(center * _FINER).astype(int).tolist()
        cv2.circle(fine, (x, y), round(radius * _FINER), 255, cv2.FILLED)
    else:
        corners = 4 if class_id == CLASS_NAMES.index("square") else 3
        turns = angle + np.arange(corners) * 2 * np.pi / corners
        points = center + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cv2.fillPoly(fine, [np.rint(points * _FINER).astype(np.int32)], 255)
    return cv2.resize(fine, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _color(class_id: int, rng: np.random.Generator) -> np.ndarray:
    """Return a light color near the hue of a class, float32 [3] RGB."""
    hue = (_HUES[class_id - 1] + rng.normal(0, _HUE_SPREAD)) % 360
    saturation, value = rng.uniform(0.35, 0.8), rng.uniform(0.7, 1.0)
    pixel = np.array([[[hue, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] * 255
