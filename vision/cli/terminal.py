"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table as RichTable
from rich.text import Text

from vision.metrics.evaluation import Evaluation, Table
from vision.reports.formatting import metric_label, metric_text, printable

_MOST_ROWS = 100


def print_evaluation(evaluation: Evaluation, title: str) -> None:
    """Print the metrics, then each table that is there to be read, cut where it has many rows, then the notes."""
    tables = (table for table in evaluation.tables if table.rows and not table.is_long)
    # Beside a table, not in it: its title and caption would be as narrow as its columns.
    notes = (Text(printable(note)) for note in evaluation.notes)
    Console().print(
        Group(_title(title), summary_table(evaluation), *(part for table in tables for part in _parts(table)), *notes)
    )


def print_verdict(sentences: Sequence[str]) -> None:
    """Print the verdict on a model as the last paragraph, which is read first."""
    if sentences:
        Console().print(Text(printable(" ".join(sentences)), style="bold"))


def print_table(table: Table, most_rows: int = _MOST_ROWS, *, cut_words: bool = True) -> None:
    """Print one table by itself, its first rows where it has many.

    Where long words are not cut, they go on in the next line, as names of files have to.
    """
    Console().print(Group(*_parts(table, most_rows, cut_words=cut_words)))


def _title(title: str) -> Text:
    return Text(printable(title), style="italic")


def summary_table(evaluation: Evaluation) -> RichTable:
    """Return a table of the number of images and every metric, one a line."""
    table = RichTable(show_header=False)
    table.add_column("metric")
    table.add_column("value", justify="right")
    # Text, not str, which would read square brackets in a name as markup.
    table.add_row(Text("images"), Text(f"{evaluation.num_images:,}"))
    for name, value in evaluation.metrics.items():
        table.add_row(Text(metric_label(name)), Text(metric_text(name, value)))
    return table


def _parts(table: Table, most_rows: int = _MOST_ROWS, *, cut_words: bool = True) -> tuple[Text, RichTable]:
    """Return the title and the rows of a table."""
    shown = RichTable()
    for index, column in enumerate(table.columns):
        numeric = any(isinstance(row[index], int | float) for row in table.rows)
        # Numbers stay whole; names give way between words, and a long word is cut rather than broken.
        if numeric:
            shown.add_column(Text(column), justify="right", no_wrap=True)
        else:
            shown.add_column(Text(column), overflow="ellipsis" if cut_words else "fold", min_width=8)
    for row in table.rows[:most_rows]:
        # Text, not str, which would read square brackets in a name as markup.
        shown.add_row(*(Text(_cell(value)) for value in row))
    if len(table.rows) > most_rows:
        shown.caption = f"{most_rows} of {len(table.rows)} rows"
    return _title(table.title), shown


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
