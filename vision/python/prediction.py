"""What a model says of one image, for people who look at it in a notebook and go on with it in Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vision.algorithms.algorithm import Mark
from vision.api.model import ImageSource, Model, read_pixels
from vision.python.notebook import data_frame, picture_html
from vision.reports.drawn_images import MarkPainter

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """A class that a model saw in an image.

    ``score``: how sure the model is of it, 0..1; where pixels are classified, the share of them that the class covers.
    ``box_xyxy_px``: left, top, right and bottom in pixels of the original image; None: the whole image is meant.
    """

    label: str
    class_id: int
    score: float
    box_xyxy_px: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What a model says of one image.

    ``raw`` is the algorithm's own prediction, whose attributes can also be read from this object: ``probabilities``
    of a classification, ``boxes_xyxy_unit`` of a detection, ``ids`` of a segmentation. ``size_px`` is the width and
    height of the original image, ``image`` that image as it was given.
    """

    raw: object
    size_px: tuple[int, int]
    image: ImageSource
    model: Model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "raw":
            raise AttributeError(name)
        return getattr(self.raw, name)

    def __repr__(self) -> str:
        return f"<Prediction: {self.model.algorithm.summarize(self.description)}>"

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All that the model saw, however weak, the most certain first."""
        width, height = self.size_px
        names = self.model.class_names
        return tuple(
            Finding(
                names[found.class_id],
                found.class_id,
                found.score,
                None if found.box_xyxy_unit is None else _scaled(found.box_xyxy_unit, width, height),
            )
            for found in self.model.algorithm.scored_labels(self.raw)
        )

    def at_least(self, score: float) -> tuple[Finding, ...]:
        """Return the findings of at least that score, 0..1."""
        return tuple(found for found in self.findings if found.score >= score)

    @property
    def label(self) -> str | None:
        """The name of the most certain class; None where nothing was found."""
        return self.findings[0].label if self.findings else None

    @property
    def score(self) -> float:
        """The score of the most certain class, 0..1; 0 where nothing was found."""
        return self.findings[0].score if self.findings else 0.0

    @property
    def boxes_xyxy_px(self) -> np.ndarray:
        """The boxes of the findings, float64 [n, 4] in pixels of the original image; [0, 4] without any."""
        return np.array([found.box_xyxy_px for found in self.findings if found.box_xyxy_px]).reshape(-1, 4)

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """The pixels of each class found, bool [H, W] by name; empty where pixels are not classified."""
        return {mark.names: mark.mask for mark in self._marks() if mark.mask is not None}

    @cached_property
    def description(self) -> dict[str, Any]:
        """What ``vision predict`` writes: SageMaker's ``prediction`` and names, ready for JSON."""
        return self.model.describe(self.raw)

    def plot(self) -> Image.Image:
        """Return the image with what was found drawn onto it, its longer side at most 1600 pixels."""
        pixels, _ = read_pixels(self.image, 0)
        return MarkPainter().draw(pixels, self._marks())

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each finding. Needs pandas."""
        columns = ("label", "class_id", "score", "left_px", "top_px", "right_px", "bottom_px")
        rows = [(one.label, one.class_id, one.score, *(one.box_xyxy_px or (None,) * 4)) for one in self.findings]
        kept = 7 if len(self.boxes_xyxy_px) else 3
        return data_frame(columns[:kept], [row[:kept] for row in rows])

    def _marks(self) -> list[Mark]:
        return self.model.algorithm.marks(self.description)

    def _repr_html_(self) -> str:
        return picture_html(self.plot(), self.model.algorithm.summarize(self.description))


def _scaled(xyxy_unit: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = xyxy_unit
    return left * width, top * height, right * width, bottom * height
