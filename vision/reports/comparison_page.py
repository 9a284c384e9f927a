"""The page and the JSON file of a comparison: verdict, figures with intervals, and a picture of the differences."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.metrics.bootstrap import Compared, Comparison
from vision.reports import page as html
from vision.reports.comparison_text import interval_text, tables, to_json, verdict
from vision.reports.drawing import FAINT, INK, new_figure, png
from vision.reports.labels import metric_label, short_label

MOST_BARS = 40
_COLORS = {1: "#16a34a", -1: "#dc2626", 0: FAINT}


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write ``comparison.html`` and ``comparison.json``; returns the page's path."""
    make_folder(folder)
    document = json.dumps(to_json(comparison), allow_nan=False, indent=1)
    write_whole(folder / "comparison.json", document + "\n")
    overall, classes = tables(comparison)
    sections = [html.Section(overall.title, _picture(comparison.metrics, "metrics") + html.table_html(overall))]
    widest = sorted(comparison.classes, key=lambda compared: -abs(_difference(compared)))[:MOST_BARS]
    body = _picture([compared for compared in comparison.classes if compared in widest], "classes")
    sections.append(html.Section(classes.title, body + html.table_html(classes)))
    found = comparison.decisive
    label = metric_label(comparison.objective)
    page = html.page(
        title=verdict(comparison),
        subtitle=f"model: {comparison.model} \u00b7 other: {comparison.other} \u00b7 {comparison.num_images:,} images, "
        f"{comparison.resamples:,} draws",
        tiles=[
            html.Tile(f"{label} of model in %, with 95 % interval", interval_text(found.model)),
            html.Tile(f"{label} of other in %, with 95 % interval", interval_text(found.other)),
        ],
        notes=comparison.notes,
        sections=sections,
    )
    path = folder / "comparison.html"
    write_whole(path, page.encode(errors="replace"))
    return path


def _picture(rows: Sequence[Compared], description: str) -> str:
    drawn = [row for row in rows if not math.isnan(row.intervals.difference.value)]
    return html.picture_html(forest_plot(drawn), f"differences of {description}") if drawn else ""


def forest_plot(rows: Sequence[Compared]) -> bytes:
    """Differences in points with their intervals, one a line; green and red where chance does not explain them."""
    figure, (axes,) = new_figure(9, 0.9 + 0.3 * len(rows))
    for place, row in enumerate(rows):
        found = row.intervals.difference
        color = _COLORS[row.intervals.sign]
        axes.plot([100 * found.low, 100 * found.high], [place, place], color=color, lw=3, solid_capstyle="butt")
        axes.plot([100 * found.value], [place], marker="o", color=color, ms=7)
    axes.axvline(0, color=INK, lw=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [f"\u2009{short_label(metric_label(row.name))}" for row in rows])
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    axes.set_xlabel("other \u2013 model, in points, with 95 % interval", color=FAINT)
    return png(figure)


def _difference(compared: Compared) -> float:
    value = compared.intervals.difference.value
    return 0.0 if math.isnan(value) else value
