"""Objects as a source states them, before they are judged. Legend: M objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Form = Literal["corners", "pixels"]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectRows:
    """M objects: ``class_ids`` float64 [M], ``boxes_xyxy_unit`` float64 [M, 4], ``difficult`` bool [M].

    ``form`` is how the source writes a box: corners as fractions of the image (packed labels), or left, top,
    width and height in pixels (annotations). ``label_width`` counts the numbers of the packed label that holds
    these objects.
    """

    class_ids: np.ndarray
    boxes_xyxy_unit: np.ndarray
    difficult: np.ndarray
    form: Form
    label_width: int

    def __len__(self) -> int:
        return len(self.class_ids)

    @classmethod
    def joined(cls, parts: Sequence[ObjectRows]) -> ObjectRows:
        """The objects of several images of one form; ``label_width`` is the largest."""
        return cls(
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.boxes_xyxy_unit for part in parts]),
            np.concatenate([part.difficult for part in parts]),
            parts[0].form,
            max(part.label_width for part in parts),
        )
