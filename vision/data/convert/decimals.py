"""Pixels that went through fractions and back: the shortest decimal that the stored number cannot tell apart."""

from __future__ import annotations

import numpy as np

# Sums and differences of pixel coordinates in float64.
ARITHMETIC_PX = 1e-9
_MOST_DIGITS = 12


def shortest(value: float, tolerance: float) -> float:
    """The number with the fewest decimals within ``tolerance`` of ``value``: 260.00001 becomes 260 again."""
    for digits in range(_MOST_DIGITS):
        rounded = round(value, digits)
        if abs(rounded - value) <= tolerance:
            return rounded + 0.0
    return value


def px_of_unit(fraction: float, size_px: int) -> float:
    """Pixel coordinate of a float32 fraction of ``size_px``; packing the result gives the same float32 again."""
    stored = np.float32(fraction)
    value = float(stored) * size_px
    for digits in range(_MOST_DIGITS):
        rounded = round(value, digits)
        if np.float32(rounded / size_px) == stored:
            return rounded + 0.0
    return value


def number(value: float) -> int | float:
    """Whole numbers without a decimal point, as JSON and XML readers of pixels expect them."""
    return int(value) if float(value).is_integer() else float(value)
