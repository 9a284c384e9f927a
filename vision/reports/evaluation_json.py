"""evaluation.json: an Evaluation as a file, for scripts and for comparing runs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.files.atomic_file import write_whole
from vision.metrics.evaluation import Evaluation, Example
from vision.metrics.verdict import Verdict

FORMAT_VERSION = 1


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write every part. Undefined numbers (NaN) become null, because JSON has none."""
    document = {
        "format_version": FORMAT_VERSION,
        **asdict(replace(evaluation, labels=None, verdict=None, galleries=())),
        "verdict": None if evaluation.verdict is None else _verdict(evaluation.verdict),
        "metrics": {name: _number(value) for name, value in evaluation.metrics.items()},
        "tables": [
            {
                "title": table.title,
                "columns": table.columns,
                "rows": [[_number(cell) for cell in row] for row in table.rows],
                "is_long": table.is_long,
            }
            for table in evaluation.tables
        ],
        "matrices": [asdict(matrix) | {"counts": matrix.counts.tolist()} for matrix in evaluation.matrices],
        "curves": [
            {
                "title": curves.title,
                "x_label": curves.x_label,
                "y_label": curves.y_label,
                "series": {name: {"x": _numbers(x), "y": _numbers(y)} for name, (x, y) in curves.series.items()},
            }
            for curves in evaluation.curves
        ],
        "galleries": [
            {"title": gallery.title, "examples": [_document(example) for example in gallery.examples]}
            for gallery in evaluation.galleries
        ],
    }
    del document["labels"]
    # JSON of plain ASCII: a file name that is no UTF-8 would otherwise stop the writing.
    write_whole(path, json.dumps(document, allow_nan=False, indent=1))


def _verdict(verdict: Verdict) -> dict[str, object]:
    interval = verdict.interval
    return {
        "metric": verdict.metric,
        **{name: _number(value) for name, value in asdict(interval).items()},
        "guess": _number(verdict.words.guess_value),
        "sentences": verdict.sentences(),
    }


def _document(example: Example) -> dict[str, object]:
    """Return what a reader of JSON can use: heat and overlays are for looking at."""
    document = asdict(replace(example, heat=None, overlays=()))
    del document["heat"], document["overlays"], document["truth_and_prediction"]
    return document


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in np.asarray(values, dtype=np.float64).tolist()]
