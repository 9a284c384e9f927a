"""What was measured in images before networks learned to: shapes, colors, texture, edges, visual words.

Each function takes an image uint8 [H, W, 3] RGB of one size and returns float32 [D]; D depends on that size only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

Kind = Literal["hog", "color", "texture", "edges", "words"]

_CELL_PX = 16
_ANGLES = 9
# Keeps flat regions from being blown up to full contrast.
_LEAST_NORM = 1e-2
_GABOR_ANGLES, _GABOR_WAVELENGTHS_PX = 4, (4.0, 8.0, 16.0)
_MOST_WORDS = 300


def hog(image: np.ndarray) -> np.ndarray:
    """Return histograms of oriented gradients (Dalal and Triggs 2005): cells of 16 px, blocks of 2x2 cells."""
    gray = _gray(image)
    dx, dy = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=1)
    strength, angle = cv2.cartToPolar(dx, dy)
    place = (angle % np.pi) * (_ANGLES / np.pi)
    low = np.floor(place).astype(np.int64)
    share = place - low
    rows, columns = (side // _CELL_PX for side in gray.shape)
    cells = (np.arange(gray.shape[0]) // _CELL_PX)[:, None] * columns + np.arange(gray.shape[1]) // _CELL_PX
    # Each gradient is shared between the two nearest angles.
    counts = np.zeros(rows * columns * _ANGLES)
    for angles, weights in ((low, strength * (1 - share)), (low + 1, strength * share)):
        counts += np.bincount((cells * _ANGLES + angles % _ANGLES).ravel(), weights.ravel(), len(counts))
    grid = counts.reshape(rows, columns, _ANGLES)
    blocks = np.concatenate([grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]], axis=2)
    for _ in range(2):
        blocks = blocks / (np.linalg.norm(blocks, axis=2, keepdims=True) + _LEAST_NORM)
        blocks = np.minimum(blocks, 0.2)
    return blocks.ravel().astype(np.float32)


def color(image: np.ndarray) -> np.ndarray:
    """Return histograms of hue, saturation and brightness: of the whole image, and coarser ones of its quarters."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    parts = [hsv[top : top + height, left : left + width] for top in (0, height) for left in (0, width)]
    found = [_histogram(hsv, (8, 4, 4)), *(_histogram(part, (8, 3, 3)) for part in parts)]
    return np.sqrt(np.concatenate(found)).astype(np.float32)


def texture(image: np.ndarray) -> np.ndarray:
    """Return histograms of local binary patterns (Ojala et al. 2002) at two scales, and the strength of Gabor waves."""
    gray = _gray(image)
    patterns = [
        np.bincount(_uniform_patterns(cv2.resize(gray, None, fx=f, fy=f)).ravel(), minlength=59) for f in (1, 0.5)
    ]
    waves = []
    for wavelength_px in _GABOR_WAVELENGTHS_PX:
        for step in range(_GABOR_ANGLES):
            sigma, angle = wavelength_px / 2, np.pi * step / _GABOR_ANGLES
            kernel = cv2.getGaborKernel((0, 0), sigma, angle, wavelength_px, 0.5, 0, cv2.CV_32F)
            response = cv2.filter2D(gray, cv2.CV_32F, kernel - kernel.mean())
            waves += [np.abs(response).mean(), response.std()]
    histograms = [np.sqrt(pattern / pattern.sum()) for pattern in patterns]
    return np.concatenate([*histograms, np.log1p(waves)]).astype(np.float32)


def edges(image: np.ndarray) -> np.ndarray:
    """Return the share of edge pixels (Canny 1986) in cells of 16 px, and in the whole image by angle."""
    gray = cv2.GaussianBlur(_gray(image), (3, 3), 0)
    found = cv2.Canny(gray, 80, 160) > 0
    dx, dy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    angles = (cv2.phase(dx, dy)[found] % np.pi * (_ANGLES / np.pi)).astype(np.int64) % _ANGLES
    rows, columns = (side // _CELL_PX for side in gray.shape)
    cells = found[: rows * _CELL_PX, : columns * _CELL_PX].reshape(rows, _CELL_PX, columns, _CELL_PX).mean(axis=(1, 3))
    return np.concatenate([cells.ravel(), np.bincount(angles, minlength=_ANGLES) / found.size]).astype(np.float32)


def local_descriptors(image: np.ndarray) -> np.ndarray:
    """Return SIFT descriptors (Lowe 2004) float32 [n, 128] of the image's strongest points, as RootSIFT; n may be 0."""
    # The stubs of OpenCV lack it.
    _, found = cv2.SIFT_create(  # type: ignore[attr-defined]
        _MOST_WORDS
    ).detectAndCompute(_gray(image), None)
    if found is None:
        return np.zeros((0, 128), np.float32)
    rooted: np.ndarray = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6))
    return rooted.astype(np.float32)


def words(image: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return how often each visual word of the codebook float32 [k, 128] occurs (Csurka et al. 2004)."""
    descriptors = local_descriptors(image)
    # The nearest word: the square of the descriptor itself is the same for all.
    nearest = ((codebook**2).sum(axis=1) - 2 * descriptors @ codebook.T).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(codebook))
    return np.sqrt(counts / max(1, counts.sum())).astype(np.float32)


FEATURES: dict[Kind, Callable[[np.ndarray], np.ndarray]] = {
    "hog": hog,
    "color": color,
    "texture": texture,
    "edges": edges,
}
"""All but visual words, which need a codebook."""


def describe(image: np.ndarray, kinds: tuple[Kind, ...], codebook: np.ndarray) -> np.ndarray:
    """Return the features of all kinds in a row."""
    return np.concatenate([words(image, codebook) if kind == "words" else FEATURES[kind](image) for kind in kinds])


def _gray(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _histogram(hsv: np.ndarray, bins: tuple[int, int, int]) -> np.ndarray:
    counts = cv2.calcHist([np.ascontiguousarray(hsv)], [0, 1, 2], None, list(bins), [0, 180, 0, 256, 0, 256])
    return counts.ravel() / counts.sum()


def _uniform_table() -> np.ndarray:
    """Return the class of each pattern of 8 bits: 58 with at most two changes around the circle, 58 for all others."""
    table, number = np.full(256, 58), 0
    for pattern in range(256):
        rotated = (pattern >> 1) | ((pattern & 1) << 7)
        if bin(pattern ^ rotated).count("1") <= 2:
            table[pattern], number = number, number + 1
    return table


_UNIFORM = _uniform_table()


def _uniform_patterns(gray: np.ndarray) -> np.ndarray:
    """Return the pattern of each inner pixel: which of its eight neighbors are at least as bright."""
    height, width = gray.shape
    center, bits = gray[1:-1, 1:-1], np.zeros((height - 2, width - 2), np.int64)
    circle = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
    for bit, (top, left) in enumerate(circle):
        bits |= (gray[top : top + height - 2, left : left + width - 2] >= center).astype(np.int64) << bit
    return _UNIFORM[bits]
