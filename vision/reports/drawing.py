"""The style of all figures: colours, axes, legends, and the way to PNG bytes.

Drawn with matplotlib's objects, never through pyplot, so that no figure outlives its function.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vision.reports.labels import short_label

DPI = 144
INK, FAINT, GRID = "#1f2937", "#6b7280", "#e5e7eb"
COLORS = (
    *(
        "#2563eb",
        "#ea580c",
        "#16a34a",
        "#dc2626",
        "#7c3aed",
        "#0891b2",
        "#ca8a04",
        "#db2777",
        "#4b5563",
        "#65a30d",
    ),
    *(
        "#93c5fd",
        "#fdba74",
        "#86efac",
        "#fca5a5",
        "#c4b5fd",
        "#67e8f9",
        "#fde047",
        "#f9a8d4",
        "#9ca3af",
        "#bef264",
    ),
)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with its axes in reading order, in the report's style."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = list(np.ravel(figure.subplots(rows, columns, sharey=sharey)))
    for axes in grid:
        axes.grid(True, color=GRID, lw=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GRID)
        axes.tick_params(labelsize=9, colors=INK, length=0)
    return figure, grid


def legend(axes: Axes, names: list[str], outside: bool) -> None:
    """Name the lines of the axes, in their order."""
    # A label with a leading underscore is left out by matplotlib, so each starts with a thin space.
    labels = [f"\u2009{short_label(name)}" for name in names]
    where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if outside else {"loc": "best"}
    drawn = axes.legend(axes.get_lines(), labels, frameon=False, fontsize=8, labelcolor=INK, **where)
    for text in drawn.get_texts():
        text.set_parse_math(False)


def colors(number: int) -> list[str]:
    """So many colours, repeated where there are more than the palette has."""
    return [COLORS[i % len(COLORS)] for i in range(number)]


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the font lacks is drawn as boxes; the page has it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(written, format="png")
    return written.getvalue()
