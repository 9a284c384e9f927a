"""evaluation.json: an Evaluation as a file, for scripts and for comparing runs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.files.atomic_file import write_whole
from vision.metrics.evaluation import Box, Curves, Evaluation, Example, Gallery, Matrix, Table
from vision.settings.errors import UserError
from vision.settings.strict_json import read_json

FORMAT_VERSION = 1


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write every part. Undefined numbers (NaN) become null, because JSON has none."""
    document = {
        "format_version": FORMAT_VERSION,
        **asdict(replace(evaluation, labels=None, galleries=())),
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


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``write_evaluation`` wrote; a null metric is NaN again, a null cell stays None."""
    try:
        document = read_json(path)
        version = document["format_version"]
        if version == FORMAT_VERSION:
            return _evaluation(document)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): name an evaluation.json") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not an evaluation.json that this program wrote ({type(error).__name__}: {error}): "
            "evaluate the model again"
        ) from error
    raise UserError(
        f"{path} has format_version {version!r}, but this program reads {FORMAT_VERSION}: evaluate the model again"
    )


def _evaluation(document: dict[str, Any]) -> Evaluation:
    return Evaluation(
        num_images=int(document["num_images"]),
        metrics={name: math.nan if value is None else value for name, value in document["metrics"].items()},
        class_names=tuple(document["class_names"]),
        tables=tuple(
            Table(t["title"], tuple(t["columns"]), tuple(map(tuple, t["rows"])), t.get("is_long", False))
            for t in document["tables"]
        ),
        matrices=tuple(
            Matrix(
                m["title"],
                tuple(m["row_labels"]),
                tuple(m["column_labels"]),
                np.array(m["counts"], dtype=np.int64).reshape(len(m["row_labels"]), len(m["column_labels"])),
            )
            for m in document["matrices"]
        ),
        curves=tuple(
            Curves(
                c["title"],
                c["x_label"],
                c["y_label"],
                {name: (_array(points["x"]), _array(points["y"])) for name, points in c["series"].items()},
            )
            for c in document["curves"]
        ),
        galleries=tuple(
            Gallery(g["title"], tuple(_example(example) for example in g["examples"])) for g in document["galleries"]
        ),
        notes=tuple(document["notes"]),
    )


def _document(example: Example) -> dict[str, Any]:
    """Heat is for looking at, and left out."""
    document = asdict(replace(example, heat=None))
    del document["heat"]
    return document


def _example(document: dict[str, Any]) -> Example:
    boxes = tuple(Box(tuple(b["xyxy_unit"]), b["caption"], b["role"]) for b in document["boxes"])
    return Example(int(document["index"]), document["key"], document["caption"], boxes)


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in np.asarray(values, dtype=np.float64).tolist()]


def _array(values: list[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
