"""One thing that a model saw in an image, said the same way by every algorithm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A class by its id and how sure the model is of it, 0..1.

    ``box_xyxy_unit``: where it is, in fractions of the image (x right, y down); None: the whole image is meant.
    """

    class_id: int
    score: float
    box_xyxy_unit: tuple[float, float, float, float] | None = None
