"""What a sweep found: result.json for scripts, a page with figures for people, and the best command line.

Figures are PNG bytes in the style of the other reports: history, learning curves, parallel coordinates, importance.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.metrics.evaluation import Table
from vision.reports import page as html
from vision.reports.drawing import COLORS, FAINT, INK, new_figure, png
from vision.reports.formatting import duration_text, is_share, metric_text, short_label
from vision.settings.hyperparameters import Tunable
from vision.sweeps.study import TrialRecord, best_record, summary_counts
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan

COLOR_MAP = colormaps["viridis"]


def best_command(plan: SweepPlan, record: TrialRecord) -> str:
    """Return the command line that trains with a trial's settings."""
    drawn = [f"hp.{name}={value}" for name, value in record.settings.items()]
    return shlex.join(["vision", "train", *plan.words, *drawn])


def write_result(folder: SweepFolder, plan: SweepPlan, records: Sequence[TrialRecord]) -> None:
    """Write result.json: the best settings and every trial. Undefined numbers become null."""
    best = best_record(records)
    document = {
        "algorithm": plan.algorithm,
        "objective": plan.sagemaker_metric,
        "counts": summary_counts(records),
        "best": None if best is None else {**_trial(folder, best), "command": best_command(plan, best)},
        "trials": [_trial(folder, record) for record in records],
    }
    write_whole(folder.result, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _trial(folder: SweepFolder, record: TrialRecord) -> dict[str, object]:
    return {
        "number": record.number,
        "state": record.state,
        "value": record.value,
        "hyperparameters": dict(record.settings),
        "values": {str(epoch): value if math.isfinite(value) else None for epoch, value in record.values.items()},
        "seconds": record.seconds,
        "folder": str(folder.trial(record.number).relative_to(folder.path)),
    }


def write_sweep_report(
    folder: SweepFolder, plan: SweepPlan, records: Sequence[TrialRecord], importances: Mapping[str, float]
) -> Path:
    """Write report.html and its pictures as PNG, and return the path of the page."""
    make_folder(folder.report)
    best = best_record(records)
    metric = plan.metric
    sections = []
    if best is not None:
        command = {"command": best_command(plan, best), "model": str(folder.trial(best.number) / "model.tar.gz")}
        sections.append(html.Section("Best settings", html.settings_html({**best.settings, **command})))
    figures = {
        "History": (history_figure(records, metric), False),
        "Learning curves": (learning_figure(records, metric), False),
        "Parallel coordinates": (parallel_figure(records, plan.space.dimensions, metric), False),
        "Importance": (importance_figure(importances), True),
    }
    for title, (drawn, narrow) in figures.items():
        if drawn is not None:
            write_whole(folder.report / f"{title.lower().replace(' ', '_')}.png", drawn)
            sections.append(html.Section(title, html.picture_html(drawn, title), narrow))
    sections.append(html.Section("Trials", html.table_html(_table(records, metric))))
    sections.append(html.Section("All trials share", html.settings_html(_shared(plan))))
    document = html.page(
        title=f"Sweep: {folder.path.name}",
        subtitle=f"{plan.algorithm}, {plan.sagemaker_metric} of {len(records)} trials",
        tiles=_tiles(records, best, metric),
        notes=_notes(records, importances, plan),
        sections=sections,
    )
    path = folder.report / "report.html"
    write_whole(path, document.encode(errors="replace"))
    return path


def _tiles(records: Sequence[TrialRecord], best: TrialRecord | None, metric: str) -> list[html.Tile]:
    tiles = []
    if best is not None and best.value is not None:
        tiles.append(html.Tile(f"best validation {metric}", metric_text(metric, best.value)))
        tiles.append(html.Tile("best trial", str(best.number)))
    counts = summary_counts(records)
    tiles += [html.Tile(state, str(number)) for state, number in counts.items() if number]
    tiles.append(html.Tile("time of all trials", duration_text(sum(record.seconds or 0.0 for record in records))))
    return tiles


def _notes(records: Sequence[TrialRecord], importances: Mapping[str, float], plan: SweepPlan) -> list[str]:
    notes = []
    failed = [str(record.number) for record in records if record.state == "failed"]
    if failed:
        notes.append(f"Failed trials: {', '.join(failed)}; each has an output.log in its folder that says why.")
    left_out = [name for name in plan.space.dimensions if name not in importances]
    if importances and left_out:
        notes.append(f"Importance is of what all trials share; not of {', '.join(left_out)}.")
    return notes


def _shared(plan: SweepPlan) -> dict[str, str]:
    words = [word.partition("=")[::2] for word in plan.words]
    return {"algorithm": plan.algorithm, **dict(words)}


def _table(records: Sequence[TrialRecord], metric: str) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record.settings))
    ranked = sorted(records, key=lambda record: (record.state != "complete", -(record.value or 0.0), record.number))
    rows = tuple(
        (
            record.number,
            record.state,
            max(record.values, default=0),
            record.value,
            *(record.settings.get(name) for name in names),
        )
        for record in ranked
    )
    value = f"validation {metric}"
    shares = (value,) if is_share(metric) else ()
    return Table("Trials", ("trial", "state", "epochs", value, *names), rows, shares=shares)


def history_figure(records: Sequence[TrialRecord], metric: str) -> bytes | None:
    """Draw the value of each trial and the best so far; None if no trial ended with a value."""
    ended = [record for record in records if record.value is not None]
    if not ended:
        return None
    figure, (axes,) = new_figure(11.6, 3.6)
    styles = {"complete": (COLORS[0], "o", "done"), "pruned": (FAINT, "x", "pruned")}
    for state, (color, marker, label) in styles.items():
        chosen = [record for record in ended if record.state == state]
        values = [float(record.value or 0.0) for record in chosen]
        axes.scatter([record.number for record in chosen], values, s=34, color=color, marker=marker, label=label)
    complete = [record for record in ended if record.state == "complete"]
    if complete:
        best = np.maximum.accumulate([float(record.value or 0.0) for record in complete]).tolist()
        numbers = [*(record.number for record in complete), records[-1].number]
        best.append(best[-1])
        axes.plot(numbers, best, color=COLORS[1], lw=1.4, drawstyle="steps-post", label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial", color=FAINT)
    axes.set_ylabel(f"validation {metric}", color=FAINT)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return png(figure)


def learning_figure(records: Sequence[TrialRecord], metric: str) -> bytes | None:
    """Draw the objective of every trial by epoch, pruned ones faint; None if no epoch has ended."""
    shown = [record for record in records if record.values]
    if not shown:
        return None
    figure, (axes,) = new_figure(11.6, 3.6)
    best = best_record(shown)
    style: dict[str, Any]
    for record in shown:
        epochs, values = zip(*record.values.items(), strict=True)
        if record is best:
            style = {"color": COLORS[1], "lw": 2.2, "zorder": 3, "label": f"trial {record.number}, the best"}
        elif record.state == "complete":
            style = {"color": COLORS[0], "lw": 1.1}
        else:
            style = {"color": "#9ca3af", "lw": 0.9, "ls": (0, (4, 3))}
        axes.plot(epochs, values, marker="o" if len(epochs) <= 20 else None, ms=3, **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch", color=FAINT)
    axes.set_ylabel(f"validation {metric}", color=FAINT)
    if best is not None:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return png(figure)


def importance_figure(importances: Mapping[str, float]) -> bytes | None:
    """Draw a bar for each hyperparameter, the most important on top; None if there are no importances."""
    if not importances:
        return None
    ranked = sorted(importances.items(), key=lambda item: item[1])
    figure, (axes,) = new_figure(5.7, 0.9 + 0.36 * len(ranked))
    axes.barh(range(len(ranked)), [value for _, value in ranked], color=COLORS[0], height=0.62)
    axes.set_yticks(range(len(ranked)), [short_label(name) for name, _ in ranked], parse_math=False)
    for place, (_, value) in enumerate(ranked):
        axes.text(value + 0.01, place, f"{value:.2f}", va="center", fontsize=8, color=FAINT)
    axes.set_xlim(0, max(value for _, value in ranked) * 1.15 + 0.01)
    axes.set_xlabel("importance", color=FAINT)
    axes.grid(False)
    return png(figure)


def parallel_figure(records: Sequence[TrialRecord], dimensions: Mapping[str, Tunable], metric: str) -> bytes | None:
    """Draw a line for each trial across the axes of hyperparameters, colored by its value; None below two trials."""
    ended = [record for record in records if record.value is not None]
    if len(ended) < 2 or not dimensions:
        return None
    scales = {name: _Axis(name, values) for name, values in dimensions.items()}
    figure, (axes,) = new_figure(11.6, 4.6)
    values = [float(record.value or 0.0) for record in ended]
    norm = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1e-9)
    for record in sorted(ended, key=lambda record: record.value or 0.0):
        share = norm(record.value or 0.0)
        # The line skips hyperparameters that the trial's optimizer does not read.
        drawn = [(place, name) for place, name in enumerate(scales) if name in record.settings]
        heights = [scales[name].height(record.settings[name]) for _, name in drawn]
        places = [*(place for place, _ in drawn), len(scales)]
        faint = record.state != "complete"
        style = (0, (4, 3)) if faint else "-"
        axes.plot(places, [*heights, share], color=COLOR_MAP(share), lw=0.9 if faint else 1.7, ls=style)
    for place, scale in enumerate(scales.values()):
        _draw_axis(axes, place, scale.ticks())
    _draw_axis(axes, len(scales), [(0.0, f"{norm.vmin:.4g}"), (1.0, f"{norm.vmax:.4g}")])
    axes.set_xticks(range(len(scales) + 1), [*scales, metric], parse_math=False)
    axes.set_xlim(-0.3, len(scales) + 0.5)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title("dashed: pruned", loc="right", fontsize=8, color=FAINT)
    return png(figure)


class _Axis:
    """The axis of one hyperparameter, from 0 at the bottom to 1 at the top."""

    def __init__(self, name: str, values: Tunable) -> None:
        self.name, self.values = name, values

    def height(self, text: str) -> float:
        """Return where a value, given as text, stands between 0 and 1."""
        if self.values.choices:
            return self.values.choices.index(text) / max(1, len(self.values.choices) - 1)
        low, high = self._scaled(self.values.low), self._scaled(self.values.high)
        return (self._scaled(float(text)) - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        if self.values.choices:
            return [(self.height(choice), choice) for choice in self.values.choices]
        return [(0.0, f"{self.values.low:g}"), (1.0, f"{self.values.high:g}")]

    def _scaled(self, value: float | None) -> float:
        assert value is not None
        return math.log(value) if self.values.scale == "log" else value


def _draw_axis(axes: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    axes.axvline(place, color=FAINT, lw=0.8)
    for height, text in ticks:
        axes.text(place + 0.03, height, short_label(text), fontsize=8, color=INK, va="center", parse_math=False)
