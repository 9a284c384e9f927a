"""metrics.csv as rows: written whole or not at all, and read while a run is under way. Imports no torch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from vision.files.atomic_file import write_whole

Row = dict[str, float]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write all rows at once under a temporary name, so that a reader never sees half a file."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a ``metrics.csv``, without its empty cells."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]
