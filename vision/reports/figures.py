"""Figures as PNG bytes: learning curves, heat maps, bars by class, curves.

Names come from data sets: they are shortened, and a dollar sign in one starts no formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from vision import algorithms
from vision.metrics.evaluation import YARDSTICK, Curves, Matrix, Table
from vision.reports.drawing import FAINT, INK, colors, legend, new_figure, png
from vision.reports.formatting import is_share, metric_label, short_label

MOST_LABELLED_CLASSES = 60
MOST_CONFUSED_CLASSES = 40
MOST_ANNOTATED_CLASSES = 20
MOST_BARS = 30
MOST_BINS = 30


def learning_curves(history: Sequence[Mapping[str, float | int]]) -> bytes | None:
    """Draw what the history holds in panels of one figure; None if it holds nothing."""
    panels = _panels(history)
    if not panels:
        return None
    rows = math.ceil(len(panels) / 2)
    figure, grid = new_figure(11.6, 3.3 * rows, rows, min(2, len(panels)))
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (title, names) in zip(grid, panels.items(), strict=False):
        _learning_panel(axes, title, names, history)
    return png(figure)


def learning_panels(history: Sequence[Mapping[str, float | int]]) -> dict[str, bytes]:
    """Draw the panels of ``learning_curves`` as figures of their own, by title."""
    drawn = {}
    for title, names in _panels(history).items():
        figure, (axes,) = new_figure(5.4, 3.3)
        _learning_panel(axes, title, names, history)
        drawn[title] = png(figure)
    return drawn


def _panels(history: Sequence[Mapping[str, float | int]]) -> dict[str, list[str]]:
    """Return the columns of the history to draw, by the title of their panel."""
    columns = dict.fromkeys(name for row in history for name in row if name != "epoch")
    panels: dict[str, list[str]] = {"loss": [], "score": [], "learning rate": [], "images per second": []}
    for name in columns:
        if name == "learning_rate":
            panels["learning rate"].append(name)
        elif name == "images_per_second":
            panels["images per second"].append(name)
        elif name.startswith(("train_", "validation_")):
            facts = algorithms.metric_facts(name)
            if facts is None or facts.is_drawn:
                panels["score" if is_share(name) else "loss"].append(name)
    return {title: names for title, names in panels.items() if names}


def _learning_panel(axes: Axes, title: str, names: list[str], history: Sequence[Mapping[str, float | int]]) -> None:
    for name, color in zip(names, colors(len(names)), strict=True):
        points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
        epochs, values = zip(*points, strict=True)
        validation = name.startswith("validation_")
        marker = "o" if len(points) <= 20 else None
        steps = "steps-post" if name == "learning_rate" else "default"
        width = 1.8 if validation else 1.3
        axes.plot(epochs, values, color=color, lw=width, marker=marker, ms=3, drawstyle=steps)
    axes.set_xlabel("epoch", color=FAINT)
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if title == "score":
        _mark_best(axes, names, history)
    if title == "images per second":
        axes.set_ylim(bottom=0)
    if title == "learning rate" and min(row[names[0]] for row in history if names[0] in row) > 0:
        axes.set_yscale("log")
    if len(names) > 1 or names[0].startswith(("train_", "validation_")):
        legend(axes, [metric_label(name) for name in names], outside=False)


def _mark_best(axes: Axes, names: list[str], history: Sequence[Mapping[str, float | int]]) -> None:
    """A ring and the value at the best epoch of the first validation score."""
    for name in [name for name in names if name.startswith("validation_")][:1]:
        best = max((row for row in history if row.get(name) is not None), key=lambda row: row[name])
        axes.scatter([best["epoch"]], [best[name]], s=46, facecolor="none", edgecolor=INK, lw=1.2, zorder=3)
        text = f"best {metric_label(name)} {best[name]:.4f}, epoch {best['epoch']:g}"
        axes.set_title(text, loc="right", fontsize=8, color=FAINT)


def heat_map(matrix: Matrix) -> bytes:
    """Draw counts as a heat map, colored by the share of each row; of many classes, only the most confused."""
    rows, columns, note = _most_confused(matrix)
    counts = matrix.counts[np.ix_(rows, columns)]
    totals = matrix.counts.sum(axis=1)[rows]
    shares = counts / np.maximum(totals, 1)[:, None]
    side = min(12.0, 2.6 + 0.3 * max(len(rows), len(columns)) if len(rows) <= 20 else 4.2 + 0.19 * len(rows))
    figure, (axes,) = new_figure(side + 0.4, side)
    # The square root lets a confusion of a few percent be seen beside a diagonal of nearly all.
    norm = PowerNorm(0.5, vmin=0, vmax=1)
    picture = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest", aspect="equal")
    axes.grid(False)
    size = 9 if len(rows) <= 20 else 6.5
    truths = [short_label(matrix.row_labels[r]) for r in rows]
    predictions = [short_label(matrix.column_labels[c]) for c in columns]
    slanted: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    fits = max(map(len, predictions)) <= (3 if len(columns) <= MOST_ANNOTATED_CLASSES else 0)
    axes.set_yticks(range(len(rows)), truths, parse_math=False)
    axes.set_xticks(range(len(columns)), predictions, parse_math=False, **({} if fits else slanted))
    axes.tick_params(labelsize=size, length=0)
    axes.set_xlabel("predicted", color=FAINT)
    axes.set_ylabel("truth", color=FAINT)
    if max(counts.shape) <= MOST_ANNOTATED_CLASSES:
        for r, c in zip(*np.nonzero(counts), strict=True):
            ink = "white" if shares[r, c] > 0.4 else INK
            axes.text(c, r, str(counts[r, c]), ha="center", va="center", fontsize=8, color=ink)
    if note:
        axes.set_title(note, loc="left", fontsize=9, color=FAINT)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("share of the row", color=FAINT, fontsize=8)
    bar.ax.tick_params(labelsize=8, colors=FAINT)
    bar.outline.set_visible(False)
    return png(figure)


def _most_confused(matrix: Matrix) -> tuple[list[int], list[int], str]:
    """Row and column indices to draw, in their order, and what to say about those left out."""
    rows, columns = list(range(len(matrix.row_labels))), list(range(len(matrix.column_labels)))
    if max(len(rows), len(columns)) <= MOST_LABELLED_CLASSES:
        return rows, columns, ""
    same = np.array(matrix.row_labels)[:, None] == np.array(matrix.column_labels)[None, :]
    wrong = np.where(same, 0, matrix.counts)
    mistakes: dict[str, int] = dict.fromkeys((*matrix.row_labels, *matrix.column_labels), 0)
    for labels, sums in ((matrix.row_labels, wrong.sum(axis=1)), (matrix.column_labels, wrong.sum(axis=0))):
        for label, number in zip(labels, sums.tolist(), strict=True):
            mistakes[label] += number
    kept = set(sorted(mistakes, key=lambda label: -mistakes[label])[:MOST_CONFUSED_CLASSES])
    note = f"the {len(kept)} of {len(mistakes)} classes with the most confusions"
    return (
        [r for r in rows if matrix.row_labels[r] in kept],
        [c for c in columns if matrix.column_labels[c] in kept],
        note,
    )


def score_columns(table: Table) -> list[int]:
    """Return the columns of a table by class that hold shares, which ``class_bars`` draws."""
    if table.columns[0] != "class":
        return []
    columns = [table.columns.index(name) for name in table.shares]
    return [c for c in columns if any(row[c] is not None for row in table.rows)]


def class_bars(table: Table) -> bytes | None:
    """One panel a score, one bar a class; of many, the weakest by the last score. None without scores."""
    columns = score_columns(table)
    if not columns:
        return None
    rows = list(table.rows)
    note = ""
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda row: 2.0 if row[columns[-1]] is None else float(row[columns[-1]] or 0))
        rows = rows[:MOST_BARS]
        note = f"the {MOST_BARS} of {len(table.rows)} classes with the lowest {table.columns[columns[-1]]}"
    figure, grid = new_figure(11.6, 0.9 + 0.25 * len(rows), 1, len(columns), sharey=True)
    places = range(len(rows))
    for axes, column, color in zip(grid, columns, colors(len(columns)), strict=True):
        values = [row[column] for row in rows]
        heights = [float(value or 0.0) for value in values]
        axes.barh(places, [1.0] * len(rows), color="#f3f4f6", height=0.68)
        axes.barh(places, heights, color=color, height=0.68)
        for place, value in zip(places, values, strict=True):
            text = "\u2013" if value is None else f"{100 * float(value):.1f}"
            axes.text(1.02, place, text, va="center", fontsize=8, color=FAINT)
        axes.set_xlim(0, 1.13)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_title(table.columns[column], loc="left", fontsize=10, color=INK, fontweight="bold")
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.grid(False)
    grid[0].set_yticks(places, [short_label(str(row[0])) for row in rows], parse_math=False, fontsize=9)
    if note:
        figure.suptitle(note, x=0.01, ha="left", fontsize=9, color=FAINT)
    return png(figure)


def curves_figure(curves: Curves) -> bytes:
    """Draw all series over common axes, the yardstick dashed."""
    figure, (axes,) = new_figure(5.4, 4.2)
    names = [name for name in curves.series if name != YARDSTICK]
    color_of = dict(zip(names, colors(len(names)), strict=True))
    for name, (x, y) in curves.series.items():
        if name == YARDSTICK:
            axes.plot(x, y, color=FAINT, lw=1, ls=(0, (4, 3)))
        else:
            axes.plot(x, y, color=color_of[name], lw=1.6, marker="o" if len(x) <= 20 else None, ms=4)
    points = [np.concatenate([x, y]) for x, y in curves.series.values()]
    values = np.concatenate(points) if points else np.empty(0)
    if len(values) == 0 or (np.nanmin(values) >= 0 and np.nanmax(values) <= 1):
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
    axes.set_xlabel(curves.x_label, color=FAINT, parse_math=False)
    axes.set_ylabel(curves.y_label, color=FAINT, parse_math=False)
    legend(axes, list(curves.series), outside=len(curves.series) > 4)
    return png(figure)


def histogram(series: Mapping[str, np.ndarray], x_label: str, y_label: str) -> bytes:
    """Draw how often values occur, one outline a series, over common bins."""
    figure, (axes,) = new_figure(5.4, 3.3)
    bins = np.histogram_bin_edges(np.concatenate(list(series.values())), bins=MOST_BINS)
    for values, color in zip(series.values(), colors(len(series)), strict=True):
        counts, _ = np.histogram(values, bins)
        axes.plot(np.repeat(bins, 2)[1:-1], np.repeat(counts, 2), color=color, lw=1.6)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel(x_label, color=FAINT)
    axes.set_ylabel(y_label, color=FAINT)
    legend(axes, list(series), outside=False)
    return png(figure)
