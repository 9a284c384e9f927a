"""A comparison of two models in words, as JSON and as a page: verdict, figures with intervals, and their picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePath

from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.metrics.bootstrap import Compared, Comparison, Interval
from vision.metrics.evaluation import Table
from vision.reports import page as html
from vision.reports.drawing import FAINT, INK, new_figure, png
from vision.reports.formatting import metric_label, short_label
from vision.settings.counted import counted

MOST_BARS = 40
_LONGEST_NAME = 40
_COLORS = {1: "#16a34a", -1: "#dc2626", 0: FAINT}
FORMAT_VERSION = 1
_SIGNS = {1: "better", -1: "worse", 0: ""}


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write ``comparison.html`` and ``comparison.json``; returns the page's path."""
    make_folder(folder)
    document = json.dumps(to_json(comparison), allow_nan=False, indent=1)
    write_whole(folder / "comparison.json", document + "\n")
    overall, classes = tables(comparison)
    axis = "{1} \u2013 {0}, in points, with 95 % interval".format(*names_of(comparison))
    picture = _picture(comparison.metrics, "metrics", axis)
    sections = [html.Section(overall.title, picture + html.table_html(overall))]
    widest = sorted(comparison.classes, key=lambda compared: -abs(_difference(compared)))[:MOST_BARS]
    body = _picture([compared for compared in comparison.classes if compared in widest], "classes", axis)
    sections.append(html.Section(classes.title, body + html.table_html(classes)))
    found = comparison.decisive
    label = metric_label(comparison.objective)
    model, other = names_of(comparison)
    page = html.page(
        title=verdict(comparison),
        subtitle=f"{comparison.model} and {comparison.other} \u00b7 "
        f"{counted(comparison.num_images, 'image')}, {comparison.resamples:,} draws",
        tiles=[
            html.Tile(f"{label} of {model} in %, with 95 % interval", interval_text(found.model)),
            html.Tile(f"{label} of {other} in %, with 95 % interval", interval_text(found.other)),
        ],
        notes=comparison.notes,
        sections=sections,
    )
    path = folder / "comparison.html"
    write_whole(path, page.encode(errors="replace"))
    return path


def _picture(rows: Sequence[Compared], description: str, axis: str) -> str:
    drawn = [row for row in rows if not math.isnan(row.intervals.difference.value)]
    return html.picture_html(forest_plot(drawn, axis), f"differences of {description}") if drawn else ""


def forest_plot(rows: Sequence[Compared], axis: str) -> bytes:
    """Draw differences in points with their intervals, one a line; green and red where chance does not explain them.

    ``axis`` says below them what is subtracted from what.
    """
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
    axes.set_xlabel(axis, color=FAINT).set_parse_math(False)
    return png(figure)


def _difference(compared: Compared) -> float:
    value = compared.intervals.difference.value
    return 0.0 if math.isnan(value) else value


def names_of(comparison: Comparison) -> tuple[str, str]:
    """Return short names of the two models: the ends of their paths from where these differ."""
    paths = [_parts_of_run(path) for path in (comparison.model, comparison.other)]
    for count in range(1, max(map(len, paths)) + 1):
        model, other = ("/".join(parts[-count:]) for parts in paths)
        if model != other:
            return short_label(model, _LONGEST_NAME), short_label(other, _LONGEST_NAME)
    return "model", "other"


def _parts_of_run(path: str) -> tuple[str, ...]:
    """Return the parts of a model's path, without the name that a model has in every run."""
    parts = PurePath(path).parts
    return parts[:-1] if len(parts) > 1 and parts[-1] in ("model", "model.tar.gz") else parts


def verdict(comparison: Comparison) -> str:
    """One sentence: which model is better, or that these images do not show it."""
    found = comparison.decisive
    name = metric_label(comparison.objective)
    model, other = names_of(comparison)
    if math.isnan(found.difference.value):
        return f"These images do not show which model is better: {name} is undefined on them."
    low, high = found.difference.low, found.difference.high
    if found.sign == 0:
        return (
            f"These {comparison.num_images:,} images do not show which model is better: {name} of {other} differs "
            f"from that of {model} by {_points(found.difference.value)} points, and the 95 % interval, {_points(low)} "
            f"to {_points(high)}, includes no difference."
        )
    better, worse = (other, model) if found.sign > 0 else (model, other)
    values = (found.other.value, found.model.value) if found.sign > 0 else (found.model.value, found.other.value)
    gain = sorted(abs(bound) for bound in (low, high))
    return (
        f"{better} is better than {worse}: {name} {100 * values[0]:.1f} % against {100 * values[1]:.1f} %, by "
        f"{100 * abs(found.difference.value):.1f} points (95 % interval {100 * gain[0]:.1f} to {100 * gain[1]:.1f})."
    )


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of the figures over all classes, and of each class, with their 95 % intervals in percent."""
    model, other = names_of(comparison)
    columns = (f"{model}, %", f"{other}, %", "difference", f"{other} is")
    overall = tuple(_row(metric_label(compared.name), compared) for compared in comparison.metrics)
    classes = tuple(_row(compared.name, compared) for compared in comparison.classes)
    title = f"{metric_label(comparison.class_metric)} of each class"
    return Table("All classes", ("metric", *columns), overall), Table(title, ("class", *columns), classes)


def to_json(comparison: Comparison) -> dict[str, object]:
    """Return every number, 0..1 and unrounded; undefined ones are null."""
    return {
        "format_version": FORMAT_VERSION,
        "model": comparison.model,
        "other": comparison.other,
        "num_images": comparison.num_images,
        "resamples": comparison.resamples,
        "objective": comparison.objective,
        "verdict": verdict(comparison),
        "metrics": {compared.name: _document(compared) for compared in comparison.metrics},
        "class_metric": comparison.class_metric,
        "classes": [{"class": compared.name, **_document(compared)} for compared in comparison.classes],
        "notes": list(comparison.notes),
    }


def interval_text(interval: Interval) -> str:
    """Return an interval as text, in percent: ``97.2 (95.4 to 98.6)``."""
    if math.isnan(interval.value):
        return "\u2013"
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _row(name: str, compared: Compared) -> tuple[str, ...]:
    found = compared.intervals
    difference = found.difference
    change = "\u2013"
    if not math.isnan(difference.value):
        change = f"{_points(difference.value)} ({_points(difference.low)} to {_points(difference.high)})"
    return short_label(name, 60), interval_text(found.model), interval_text(found.other), change, _SIGNS[found.sign]


def _document(compared: Compared) -> dict[str, object]:
    parts = {
        role: {bound: None if math.isnan(value) else value for bound, value in interval.items()}
        for role, interval in asdict(compared.intervals).items()
    }
    return {**parts, "sign": compared.intervals.sign}


def _points(share: float) -> str:
    # Without a minus sign in front of a rounded zero.
    return f"{round(100 * share, 1) + 0.0:+.1f}"
