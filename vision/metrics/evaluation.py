"""What an evaluation found, in neutral parts that any report can draw without knowing the algorithm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vision.metrics.label_evaluation import LabelEvaluation
from vision.metrics.verdict import Verdict


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names; numbers stay numbers so that a report can format them.

    ``is_long``: to look things up in, not to read; a terminal does without it, a page folds it. ``shares`` names the
    columns whose numbers lie between 0 and 1 and read best in percent.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    is_long: bool = False
    shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """Counts int64 [R, C]: rows are the truth, columns what was predicted."""

    title: str
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    counts: np.ndarray


# The series of a Curves that is no finding but what it would be at best; reports draw it as a thin dashed line.
YARDSTICK = "ideal"


@dataclass(frozen=True)
class Curves:
    """Named series of (x, y) float arrays over common axes."""

    title: str
    x_label: str
    y_label: str
    series: dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Box:
    """A box in unit coordinates (x right, y down, 0..1 of the whole image) with its caption."""

    xyxy_unit: tuple[float, float, float, float]
    caption: str
    role: Literal["truth", "prediction"]


@dataclass(frozen=True, eq=False)
class Heat:
    """How much each part of an image counted: ``cells`` float32 [h, w], 0..1, a grid over the window of the image
    that ``window_xyxy_unit`` gives in fractions of it.
    """

    cells: np.ndarray
    window_xyxy_unit: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A picture to lay over an image: ``rgba`` uint8 [h, w, 4]; alpha 0 lets the image through.

    It keeps its proportions: where they are not the image's, it lies in the center, as large as there is room.
    """

    rgba: np.ndarray


@dataclass(frozen=True)
class Example:
    """One image of the evaluated channel worth looking at; ``index`` counts in the reader's order.

    ``heat`` or each of ``overlays`` is drawn in a picture of its own beside the image. ``truth_and_prediction`` are
    class ids, where the image has one of each. An evaluation.json holds none of the three.
    """

    index: int
    key: str
    caption: str
    boxes: tuple[Box, ...] = ()
    heat: Heat | None = None
    overlays: tuple[Overlay, ...] = ()
    truth_and_prediction: tuple[int, int] | None = None

    @property
    def needs_room(self) -> bool:
        """Whether its picture has to be large: for boxes with captions, or for several pictures side by side."""
        return bool(self.boxes) or self.heat is not None or bool(self.overlays)


@dataclass(frozen=True)
class Gallery:
    """A contact sheet: examples in the order to show them. ``legend``: what the colors of overlays stand for, RGB.

    ``of_mistakes``: the model was wrong about each, so that training images that resemble them are worth a look.
    """

    title: str
    examples: tuple[Example, ...]
    legend: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    of_mistakes: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The result of one evaluation. ``metrics`` are scalars by name; the rest is there for reports to draw.

    ``labels`` has the decisions about each label at its threshold; an evaluation.json does not hold them. ``verdict``
    is that of a finished model; after each epoch of training there is none.
    """

    num_images: int
    metrics: dict[str, float]
    class_names: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    curves: tuple[Curves, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    notes: tuple[str, ...] = field(default=())
    labels: LabelEvaluation | None = None
    verdict: Verdict | None = None
