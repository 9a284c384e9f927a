"""What a sweep found: result.json for scripts, a page with figures for people, and the best command line."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.metrics.evaluation import Table
from vision.reports import page as html
from vision.reports.formatting import duration_text, is_share, metric_text
from vision.sweeps.figures import history_figure, importance_figure, learning_figure, parallel_figure
from vision.sweeps.study import TrialRecord, best_record, summary_counts
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan


def best_command(plan: SweepPlan, record: TrialRecord) -> str:
    """The command line that trains with a trial's settings."""
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


def _trial(folder: SweepFolder, record: TrialRecord) -> dict[str, Any]:
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
    """Write report.html and its pictures as PNG; returns the page's path."""
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
