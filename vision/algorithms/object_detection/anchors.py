"""Anchor boxes of SSD: which shapes stand on which feature map, and the boxes themselves.

Legend: A anchors, H and W rows and columns of a feature map, T anchors per cell. Boxes are xyxy in unit
coordinates (1 = image width or height). Order as in MXNet: maps, then rows, columns and shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_THREE_RATIOS = (1.0, 2.0, 0.5)
_FIVE_RATIOS = (1.0, 2.0, 0.5, 3.0, 1.0 / 3.0)

_SIZES_300 = ((0.1, 0.141), (0.2, 0.272), (0.37, 0.447), (0.54, 0.619), (0.71, 0.79), (0.88, 0.961))
_SIZES_512 = (
    (0.07, 0.1025),
    (0.15, 0.2121),
    (0.3, 0.3674),
    (0.45, 0.5196),
    (0.6, 0.6708),
    (0.75, 0.8216),
    (0.9, 0.9721),
)
_VGG_STEPS_PX = {300: (8, 16, 32, 64, 100, 300), 512: (8, 16, 32, 64, 128, 256, 512)}

# From this image size on vgg-16 has a seventh feature map and the finer sizes (MXNet's symbol factory).
VGG_LARGE_IMAGE_SIZE_PX = 448


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one feature map.

    ``sizes`` are fractions of the image height: each stands once with the first ratio, and the first size
    stands once with every further ratio (width / height).
    ``step_unit`` is the distance of cell centres; None spreads the cells evenly over the image.
    """

    sizes: tuple[float, ...]
    ratios: tuple[float, ...]
    step_unit: float | None = None

    @property
    def per_cell(self) -> int:
        return len(self.sizes) - 1 + len(self.ratios)


@dataclass(frozen=True)
class GridShape:
    """Extent of one level in a flat list of anchors: ``height * width * per_cell`` boxes in that order."""

    height: int
    width: int
    per_cell: int

    @property
    def num_anchors(self) -> int:
        return self.height * self.width * self.per_cell


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors of a network: float32 boxes [A, 4] and the grids that they are made of."""

    boxes_xyxy_unit: Tensor
    grids: tuple[GridShape, ...]

    def __post_init__(self) -> None:
        assert sum(grid.num_anchors for grid in self.grids) == self.boxes_xyxy_unit.shape[0]

    def to(self, device: torch.device | str) -> Anchors:
        return Anchors(self.boxes_xyxy_unit.to(device), self.grids)


def anchor_levels(base_network: str, image_size_px: int) -> tuple[AnchorLevel, ...]:
    """Return the tables of the SSD example for a base network and a square image.

    vgg-16 has explicit steps at 300 and 512 pixels only; every other size, and the residual networks, spread
    the cells evenly. resnet-18 and resnet-34 use the table of resnet-50.
    """
    large = base_network == "vgg-16" and image_size_px >= VGG_LARGE_IMAGE_SIZE_PX
    sizes = _SIZES_512 if large else _SIZES_300
    steps_px = _VGG_STEPS_PX.get(image_size_px) if base_network == "vgg-16" else None
    levels = []
    for index, level_sizes in enumerate(sizes):
        # The first map and the last two are too fine or too coarse for the elongated shapes.
        ratios = _FIVE_RATIOS if 1 <= index <= len(sizes) - 3 else _THREE_RATIOS
        step_unit = None if steps_px is None else steps_px[index] / image_size_px
        levels.append(AnchorLevel(level_sizes, ratios, step_unit))
    return tuple(levels)


def make_anchors(levels: Sequence[AnchorLevel], map_shapes: Sequence[tuple[int, int]]) -> Anchors:
    """Place the levels on their feature maps, given as (height, width) in cells."""
    assert len(levels) == len(map_shapes)
    boxes = [
        multibox_prior(shape, level.sizes, level.ratios, steps_yx_unit=(level.step_unit or -1.0,) * 2)
        for level, shape in zip(levels, map_shapes, strict=True)
    ]
    grids = tuple(
        GridShape(height, width, level.per_cell) for level, (height, width) in zip(levels, map_shapes, strict=True)
    )
    return Anchors(torch.from_numpy(np.concatenate(boxes)), grids)


def multibox_prior(
    map_shape: tuple[int, int],
    sizes: Sequence[float],
    ratios: Sequence[float],
    *,
    steps_yx_unit: tuple[float, float] = (-1.0, -1.0),
) -> np.ndarray:
    """Return MXNet's MultiBoxPrior, float32 [H*W*T, 4], equal bit for bit.

    Steps of zero or less spread the cells evenly. Widths are scaled by H / W so that a ratio of 1 is square in pixels
    on a map with the aspect of the image.
    """
    height, width = map_shape
    # Every operation stays in single precision and in MXNet's order: that is what makes the bits equal.
    single = np.float32
    step_y, step_x = (
        single(step) if step > 0 else single(1.0) / single(cells)
        for step, cells in zip(steps_yx_unit, map_shape, strict=True)
    )
    centre_y = (np.arange(height, dtype=single) + single(0.5)) * step_y
    centre_x = (np.arange(width, dtype=single) + single(0.5)) * step_x
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    size, ratio = (np.array(column, dtype=single) for column in zip(*shapes, strict=True))
    half_width = size * single(height) / single(width) * np.sqrt(ratio) / single(2)
    half_height = size / np.sqrt(ratio) / single(2)

    boxes = np.empty((height, width, len(shapes), 4), dtype=single)
    boxes[..., 0] = centre_x[None, :, None] - half_width
    boxes[..., 1] = centre_y[:, None, None] - half_height
    boxes[..., 2] = centre_x[None, :, None] + half_width
    boxes[..., 3] = centre_y[:, None, None] + half_height
    return boxes.reshape(-1, 4)
