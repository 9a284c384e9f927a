"""A picture with heat over it: blue where nothing counted, over green and yellow to red where most did."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from PIL import Image

from vision.metrics.evaluation import Heat

OPACITY = 0.5


def with_heat(picture: Image.Image, heat: Heat) -> Image.Image:
    """The picture, and beside it the same in grey under the heat; outside the heat's window it stays as it is."""
    width, height = picture.size
    pair = Image.new("RGB", (2 * width, height))
    pair.paste(picture, (0, 0))
    pair.paste(_under_heat(picture, heat), (width, 0))
    return pair


def _under_heat(picture: Image.Image, heat: Heat) -> Image.Image:
    left, top, right, bottom = (
        round(min(max(edge, 0.0), 1.0) * side)
        for edge, side in zip(heat.window_xyxy_unit, picture.size * 2, strict=True)
    )
    size = (max(1, right - left), max(1, bottom - top))
    cells = Image.fromarray(np.ascontiguousarray(heat.cells, dtype=np.float32))
    smooth = np.asarray(cells.resize(size, Image.Resampling.BILINEAR))
    # Without the ends of the scale, which are nearly black.
    colours = Image.fromarray((colormaps["turbo"](0.1 + 0.8 * smooth)[..., :3] * 255).round().astype(np.uint8))
    found = picture.copy()
    window = picture.crop((left, top, left + size[0], top + size[1])).convert("L").convert("RGB")
    found.paste(Image.blend(window, colours, OPACITY), (left, top))
    return found
