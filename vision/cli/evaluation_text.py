"""An evaluation as tables on the terminal and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from vision.metrics.evaluation import Evaluation, Table

_MOST_ROWS = 100


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """The metrics, then each table of the evaluation, cut where it is long."""
    metrics = Table("Metrics", ("metric", "value"), (("images", evaluation.num_images), *evaluation.metrics.items()))
    for table in (metrics, *evaluation.tables):
        console.print(_rich_table(table))
    for note in evaluation.notes:
        console.print(note, markup=False)


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything of the evaluation that is numbers and names; curves and galleries are for the report."""
    return {
        "num_images": evaluation.num_images,
        "metrics": evaluation.metrics,
        "class_names": list(evaluation.class_names),
        "tables": [
            {"title": table.title, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}
            for table in evaluation.tables
        ],
        "matrices": [
            {
                "title": matrix.title,
                "row_labels": list(matrix.row_labels),
                "column_labels": list(matrix.column_labels),
                "counts": matrix.counts.tolist(),
            }
            for matrix in evaluation.matrices
        ],
        "notes": list(evaluation.notes),
    }


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        numeric = any(isinstance(row[index], int | float) for row in table.rows)
        shown.add_column(column, justify="right" if numeric else "left")
    for row in table.rows[:_MOST_ROWS]:
        shown.add_row(*map(_cell, row))
    if len(table.rows) > _MOST_ROWS:
        shown.caption = f"{_MOST_ROWS} of {len(table.rows)} rows"
    return shown


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    # Brackets in class names would otherwise be read as markup.
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("[", r"\[")
