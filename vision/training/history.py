"""metrics.csv: one row an epoch, complete after every epoch, and continued when a run resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from vision.training.metrics_csv import Row, write_rows
from vision.training.task import TrainingTask


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
