"""Training steps of this package as a run takes them, from records or on a batch that is ready."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from answering import Pipe
from feeding import training_data
from lightning_fabric.utilities import move_data_to_device
from work import job_of, network_of, ready_batch

from vision import __version__, algorithms
from vision.training.accelerator import choose_accelerator
from vision.training.progress import Progress, quiet_lightning
from vision.training.task import TrainingFacts
from vision.training.trainer import build_trainer


class SameBatch:
    """An epoch that has no end, of one batch again and again."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return sys.maxsize

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.batch


class Answering(pl.Callback):
    """Lets the trainer go as far as is asked for."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.left = 1

    def on_train_batch_end(self, *_: Any) -> None:
        self.left -= 1
        if self.left:
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if self.pipe.is_ready:
            self.pipe.done()
        else:
            self.pipe.ready(vision=__version__, torch=torch.__version__)
        self.left = self.pipe.wait()


pipe = Pipe()
quiet_lightning()
job = job_of(pipe.job)
algorithm = algorithms.get(job.algorithm)
hp = job.hyperparameters
task = algorithm.task(
    network_of(pipe.job),
    hp,
    job.run,
    TrainingFacts(tuple(map(str, range(hp.num_classes))), images_per_step=hp.mini_batch_size),
)
progress = Progress(algorithm.log_lines(hp, "benchmark"), "none", job.run.log_every_steps)
trainer = build_trainer(hp, job.run, callbacks=[progress, Answering(pipe)], folder=Path(pipe.job["folder"]))
if "records" in pipe.job:
    trainer.fit(task, datamodule=training_data(job, pipe.job["records"]))
else:
    # Where it is needed from the start.
    batch = move_data_to_device(ready_batch(job), torch.device(choose_accelerator(job.run)[0]))
    trainer.fit(task, train_dataloaders=SameBatch(batch))
