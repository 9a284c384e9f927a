"""The data of a run, for a contestant that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytorch_lightning as pl

from vision import algorithms
from vision.api.run_data import dataset
from vision.data.collate import Batch
from vision.data.dali.loader import DaliSettings
from vision.data.datamodule import VisionDataModule, choose_workers
from vision.data.readers.open import open_channel
from vision.data.readers.recordio import RecordIOReader
from vision.settings.job import Job
from vision.training.accelerator import choose_accelerator


class TrainingData(VisionDataModule):
    """Training alone: the base class's method tells Lightning that there is nothing to validate on."""

    val_dataloader = pl.LightningDataModule.val_dataloader


def training_data(job: Job[Any], records: str | None) -> TrainingData:
    """The data module of a run of ``job`` that reads one file, or its channels where there is none."""
    on_gpu = choose_accelerator(job.run)[0] == "cuda"
    algorithm = algorithms.get(job.algorithm)
    suffixes = algorithm.facts.label_suffixes("train")
    reader = RecordIOReader([records]) if records else open_channel(job.channels, "train", label_suffixes=suffixes)
    data = dataset(algorithm, job, reader, "train")
    workers = choose_workers(job.run.workers, 1, on_gpu=on_gpu)
    return TrainingData(
        train=data,
        validation=data,
        batch_size=job.hyperparameters.mini_batch_size,
        validation_batch=job.hyperparameters.mini_batch_size,
        workers=workers,
        seed=0,
        pin_memory=on_gpu,
        dali=DaliSettings(max(1, workers), on_gpu) if job.run.loader == "dali" else None,
    )


def endless(module: VisionDataModule) -> Iterator[Batch]:
    """Yield the batches of training, epoch after epoch, without a trainer."""
    module.trainer = cast(Any, SimpleNamespace(global_rank=0, world_size=1))
    loader = module.train_dataloader()
    while True:
        yield from loader
