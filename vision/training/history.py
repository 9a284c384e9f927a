"""metrics.csv: one row an epoch, complete after every epoch, and continued when a run resumes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from vision.training.task import TrainingTask

Row = dict[str, float]


class History(pl.Callback):
    """Rows of metrics by epoch (counted from 1), kept in the checkpoint and written to ``metrics.csv``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingTask)
        if trainer.state.fn != "fit":
            return
        self.rows.append({"epoch": trainer.current_epoch + 1, **pl_module.epoch_metrics})
        if trainer.is_global_zero:
            write_rows(self.path, self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write all rows at once under a temporary name, so that a reader never sees half a file."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text.getvalue(), encoding="utf-8")
    part.replace(path)


def read_rows(path: Path) -> list[Row]:
    """Rows of a ``metrics.csv``; empty cells are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]
