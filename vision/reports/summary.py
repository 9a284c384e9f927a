"""An evaluation in a few lines on the terminal."""

from __future__ import annotations

from rich.table import Table as RichTable
from rich.text import Text

from vision.metrics.evaluation import Evaluation
from vision.reports.labels import metric_label, metric_text, printable


def summary_table(evaluation: Evaluation, title: str | None = None) -> RichTable:
    """Number of images and every metric, one a line; the notes below."""
    table = RichTable(
        title=None if title is None else Text(printable(title)),
        title_justify="left",
        caption=Text("\n".join(printable(note) for note in evaluation.notes)) if evaluation.notes else None,
        caption_justify="left",
        show_header=False,
    )
    table.add_column("metric")
    table.add_column("value", justify="right")
    # Text, not str: square brackets in a name are no markup.
    table.add_row(Text("images"), Text(f"{evaluation.num_images:,}"))
    for name, value in evaluation.metrics.items():
        table.add_row(Text(metric_label(name)), Text(metric_text(name, value)))
    return table
