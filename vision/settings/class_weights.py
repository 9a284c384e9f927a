"""What the loss of each class counts, as a text: balanced, or a number for each class."""

from __future__ import annotations

import math

from vision.settings.nearest import shown

BALANCED = "balanced"
NOTE = f"{BALANCED} or a number for each class, separated by commas"


def numbers_of(text: str | None) -> tuple[float, ...] | None:
    """Return the weights that are given as numbers; None for a text that holds no finite numbers."""
    if text in (None, BALANCED):
        return None
    try:
        numbers = tuple(float(part) for part in text.strip("[]() ").split(","))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def weights_problem(noun: str, text: str | None) -> str | None:
    """Return a sentence if a given text means nothing; ``noun`` is the kind of setting that it is."""
    weights = numbers_of(text)
    if text in (None, BALANCED) or (weights is not None and min(weights) >= 0 and max(weights) > 0):
        return None
    return (
        f"{noun} class_weights is {shown(text)} but must be {BALANCED} or a number of at least 0 for each class, not"
        " all 0: give for example class_weights=0.5,1,2."
    )
