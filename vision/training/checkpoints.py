"""What a run keeps: a checkpoint, from which it continues exactly where it ended, and the models of its best epochs.

Each is written whole or not at all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO

from vision.files.atomic_file import atomic_file
from vision.files.write_error import WriteError, writing
from vision.settings.errors import UserError
from vision.training.task import TrainingTask

LAST = "last.ckpt"
# What Lightning puts into every checkpoint, and reads from it.
_PARTS: dict[str, type] = {
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
    "callbacks": dict,
    "epoch": int,
    "global_step": int,
}


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the final name, then renames: a kill or a full disk leaves the earlier checkpoint as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        try:
            with writing(target.parent):
                # The run's folder is there; where it has vanished, another disk may lie under its name.
                target.parent.mkdir(exist_ok=True)
            with atomic_file(target) as file:
                torch.save(checkpoint, file)
        except WriteError as error:
            kept = "run.resume=true goes on from the one before" if os.path.exists(target) else "there is none before"
            raise UserError(f"the checkpoint {error}; {kept}") from error

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            # Only tensors and plain values: nothing in the file can run.
            found = torch.load(path, map_location="cpu", weights_only=True)
        # What zip files and disks say helps; other errors, of many kinds, are of bytes that are wrong or would run.
        except Exception as error:
            says = isinstance(error, OSError | RuntimeError)
            reason = str(error).split("\n")[0][:200] if says else ""
            raise _unusable(path, reason or "it is damaged, or holds more than tensors and plain values") from error
        if not isinstance(found, dict):
            raise _unusable(path, f"it holds a {type(found).__name__}")
        missing = [name for name, kind in _PARTS.items() if not isinstance(found.get(name), kind)]
        if missing:
            raise _unusable(path, f"it lacks {', '.join(missing)}")
        return found

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def _unusable(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is not a checkpoint of a run ({reason}): remove it to train from the start")


class Checkpoints(pl.Callback):
    """Keeps ``last.ckpt``: after every epoch, and inside an epoch every ``every_n_steps``.

    Inside an epoch it saves only between two updates of the weights, never with gradients half accumulated, and not
    after an epoch's last batch, because the one after validation follows at once.
    """

    def __init__(self, folder: Path, every_n_steps: int | None) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps

    @property
    def path(self) -> Path:
        return self.folder / LAST

    def save(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint now."""
        trainer.save_checkpoint(self.path)

    @staticmethod
    def between_updates(trainer: pl.Trainer, batch_idx: int) -> bool:
        """Return whether a checkpoint here continues exactly: no gradients are pending and the epoch is not over."""
        done = batch_idx + 1
        return done % trainer.accumulate_grad_batches == 0 and done < trainer.num_training_batches

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if not self.every_n_steps or not self.between_updates(trainer, batch_idx):
            return
        if (batch_idx + 1) % self.every_n_steps == 0:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save(trainer)


class BestModel(pl.Callback):
    """Calls ``save(epoch, metrics, improved, regular)`` after each epoch whose model is to be kept.

    Kept is an epoch whose objective is strictly greater than all before (SageMaker contract: best model), the first
    epoch whatever its objective, and with ``kept_every_epochs`` every n-th epoch too. ``epoch`` counts from 1, as in
    MXNet's file names.
    """

    def __init__(
        self,
        metric: str,
        kept_every_epochs: int | None,
        save: Callable[[int, dict[str, float], bool, bool], None],
    ) -> None:
        self.metric = metric
        self.kept_every_epochs = kept_every_epochs
        self.save = save
        self.best = -math.inf
        self.best_epoch = 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingTask)
        if trainer.state.fn != "fit":
            return
        epoch = trainer.current_epoch + 1
        value = pl_module.epoch_metrics[f"validation_{self.metric}"]
        improved = value > self.best or self.best_epoch == 0
        if improved:
            self.best_epoch = epoch
            # An objective may be undefined at first, as that of classes without a prediction.
            self.best = -math.inf if math.isnan(value) else value
        regular = self.kept_every_epochs is not None and epoch % self.kept_every_epochs == 0
        if trainer.is_global_zero and (improved or regular):
            self.save(epoch, dict(pl_module.epoch_metrics), improved, regular)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.best_epoch = state_dict["best_epoch"]
