"""The style of all figures and pictures: colors, axes, legends, letters, boxes, and the way to bytes of a file.

Figures are drawn with matplotlib's objects, never through pyplot, so that no figure outlives its function; pictures
with Pillow.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from vision.reports.formatting import short_label

DPI = 144
INK, FAINT, GRID = "#1f2937", "#6b7280", "#e5e7eb"
# Dark ones first, then their light counterparts.
COLORS = (
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
)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of that width and height in inches and its axes in reading order, in the report's style."""
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
    """Return that number of colors, repeated beyond the length of the palette."""
    return [COLORS[i % len(COLORS)] for i in range(number)]


def png(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the font lacks is drawn as boxes; the page has it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(written, format="png")
    return written.getvalue()


def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib brings along on every platform, with Greek, Cyrillic and accents."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), size_px)


def draw_box(
    draw: ImageDraw.ImageDraw, xyxy_unit: Sequence[float], color: str, line_px: int
) -> tuple[float, float, float, float]:
    """Draw a box given in fractions of the picture and return its corners in pixels, inside the picture."""
    left, top, right, bottom = (
        min(max(edge, 0.0), 1.0) * (side - 1) for edge, side in zip(xyxy_unit, draw.im.size * 2, strict=True)
    )
    corners = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
    draw.rectangle(corners, outline=color, width=line_px)
    return corners


def draw_caption(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    letters: ImageFont.FreeTypeFont,
    *,
    height_px: float,
    inset_px: float,
    plate: str,
    ink: str,
) -> None:
    """Write text on a plate of a color, moved to the left where it would leave the picture.

    ``corner`` is the plate's upper left, ``inset_px`` the distance of the letters from its upper edge.
    """
    width_px = letters.getlength(text) + 6
    left, top = min(corner[0], max(0.0, draw.im.size[0] - width_px)), corner[1]
    draw.rectangle((left, top, left + width_px, top + height_px), fill=plate)
    draw.text((left + 3, top + inset_px), text, ink, letters)


def png_bytes(picture: Image.Image) -> bytes:
    """Return the picture as the bytes of a PNG file."""
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def jpeg_bytes(picture: Image.Image, quality: int = 88) -> bytes:
    """Return the picture as the bytes of a JPEG file, good enough to look at."""
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()
