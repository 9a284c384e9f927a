"""The loggers of a run: ``metrics.csv`` always, and those that it asks for.

None of them reaches the network unless the user's own environment says so: MLFLOW_TRACKING_URI names a server, or
WANDB_MODE=online.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.metrics_csv import Row, write_rows
from vision.training.task import TrainingTask

MLFLOW_FOLDER = "mlruns"
MLFLOW_RUN_FILE = "mlflow_run.txt"
# Read by these libraries when they are imported. Whatever the user has set stays.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_CONSOLE": "off",
}


def build_loggers(run: RunSettings, folder: Path) -> list[Logger]:
    """Return the loggers of a run in ``folder``, which a resumed run continues. Raises UserError."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    builders = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
    found = []
    for name, build in builders.items():
        if name not in run.loggers:
            continue
        try:
            found.append(build(folder))
        except ModuleNotFoundError as error:
            raise UserError(
                f"run.loggers={name} needs a library that is not installed ({str(error).splitlines()[0][:150]}):"
                " pip install 'vision[track]'"
            ) from error
    return found


class _OneRunWandbLogger(WandbLogger):
    """Ends its run with the training, where a next training in the process would otherwise write into it."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        super().finalize(status)
        self.experiment.finish()
        self._experiment = None


def _tensorboard(folder: Path) -> Logger:
    return TensorBoardLogger(folder, name="tensorboard", version="")


def _mlflow(folder: Path) -> Logger:
    """Runs side by side share a store, mlruns, so that MLflow compares them."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or (folder.absolute().parent / MLFLOW_FOLDER).as_uri()
    noted = folder / MLFLOW_RUN_FILE
    run_id = noted.read_text(encoding="utf-8").strip() if noted.exists() else None
    logger = MLFlowLogger("vision", run_name=folder.name, tracking_uri=store, run_id=run_id)
    if run_id is None and logger.run_id is not None:
        make_folder(folder)
        write_whole(noted, f"{logger.run_id}\n")
    return logger


def _wandb(folder: Path) -> Logger:
    offline = os.environ["WANDB_MODE"] != "online"
    # The same name for a resumed run: `wandb sync` puts both parts together.
    run_id = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    make_folder(folder)
    return _OneRunWandbLogger(
        name=folder.name, project="vision", save_dir=folder, id=run_id, resume="allow", offline=offline, log_model=False
    )


class History(pl.Callback):
    """Rows of metrics by epoch (counted from 1), kept in the checkpoint, and written to ``metrics.csv`` after each."""

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
