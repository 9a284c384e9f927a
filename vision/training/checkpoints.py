"""Training checkpoints: everything needed to go on exactly where a run ended, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO

from vision.files.atomic_file import atomic_file
from vision.files.write_error import WriteError, writing
from vision.settings.errors import UserError

LAST = "last.ckpt"


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
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise UserError(
                f"{path}: not a checkpoint that can be read ({error}); remove it to train from the start"
            ) from error

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpoints(pl.Callback):
    """Keeps ``last.ckpt``: after every epoch, and inside an epoch every so many steps.

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
        """Whether a checkpoint here continues exactly: no gradients pending and the epoch not over."""
        done = batch_idx + 1
        return done % trainer.accumulate_grad_batches == 0 and done < trainer.num_training_batches

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self.every_n_steps or not self.between_updates(trainer, batch_idx):
            return
        if (batch_idx + 1) % self.every_n_steps == 0:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save(trainer)
