"""Images with a bright block on dark ground, and masks PNG in which the block is class 1."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_mask_images(
    folder: Path, count: int, size_px: tuple[int, int], block_px: tuple[int, int], corners_px: tuple[int, int]
) -> dict[str, str]:
    """Write images and masks of (height, width); return the paths of their folders as a conformance test wants them.

    The block's left upper corner is drawn from the range ``corners_px``, both ways.
    """
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for number in range(count):
        mask = np.zeros(size_px, np.uint8)
        top, left = rng.integers(*corners_px, 2)
        mask[top : top + block_px[0], left : left + block_px[1]] = 1
        image = rng.integers(0, 60, (*size_px, 3)) + 150 * mask[..., None]
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image.astype(np.uint8))
        cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask)
    return {"": str(folder / "images"), "_annotation": str(folder / "masks")}
