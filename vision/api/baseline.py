"""Trains what people used before networks, on the channels of a job: the yardstick that a network has to beat."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from vision import algorithms
from vision.api.evaluation import evaluate_stored
from vision.api.run_data import RunData, dataset, open_run_data, run_names, settle_counts
from vision.api.run_folder import new_run_folder, open_run_folder
from vision.api.training_run import RunResult, assumed_thresholds, write_card
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import load_model, save_model
from vision.data.broken_images import BrokenImages
from vision.data.collate import Batch
from vision.data.dataset import ImageDataset
from vision.data.sampler import Draw
from vision.settings.device import usable_cores
from vision.settings.errors import UserError
from vision.settings.job import TrainingJob
from vision.training.progress import quiet_lightning

_BATCH = 32


def train_baseline(job: TrainingJob) -> RunResult:
    """Train the baseline of the job's algorithm and write its run folder, without a history. Raises UserError."""
    quiet_lightning()
    algorithm = algorithms.get(job.algorithm)
    assert algorithm.facts.baseline is not None, "the caller chooses an algorithm that declares one"
    if job.run.resume or "model" in job.channels:
        raise UserError("A baseline is trained in one go: leave run.resume and channels.model out.")
    data = open_run_data(algorithm, job)
    held_out = 0 if data.held_out is None else len(data.validation)
    # Only evaluation works in batches here: of few images there is nothing to be said.
    batch = min(job.hyperparameters.mini_batch_size, len(data.train))
    hp = job.hyperparameters.model_copy(update={"mini_batch_size": batch})
    job = replace(job, hyperparameters=settle_counts(hp, len(data.train), 1, held_out))
    names = run_names(data.class_names, None, job)
    images, targets = _read(job, data)
    architecture, network, table = algorithm.fit_baseline(images, targets, job.hyperparameters, job.run.seed)
    folder = new_run_folder(job)
    facts = {"train images": len(data.train), "validation images": len(data.validation)}
    with open_run_folder(job, facts, folder):
        if data.held_out is not None:
            data.held_out.write(folder.path)
        description = ModelDescription(
            algorithm=algorithm.facts.name,
            architecture=architecture.model_dump(mode="json"),
            hyperparameters=job.hyperparameters.to_strings(),
            class_names=names,
            preprocessing=algorithm.preprocessing(job.hyperparameters, architecture),
            metrics={},
            epoch=0,
        )
        save_model(folder.model, description, network.state_dict(), best=True, keep=False)
        evaluation = evaluate_stored(load_model(folder.model), job.channels, job.run, data.validation, alone=True)
        # As a network's, the model knows its figures.
        metrics = {f"validation_{name}": value for name, value in evaluation.metrics.items()}
        known = {"metrics": metrics, "assumed_thresholds": assumed_thresholds(evaluation)}
        save_model(folder.model, description.model_copy(update=known), network.state_dict(), best=True, keep=False)
        folder.pack()
        write_card(folder, job, data, load_model(folder.model), evaluation)
        evaluation = replace(evaluation, tables=(table, *evaluation.tables))
        return RunResult(folder, job, [], evaluation, data.validation, training=data.train)


def _read(job: TrainingJob, data: RunData) -> tuple[np.ndarray, torch.Tensor]:
    """Return the training images uint8 [N, H, W, C] as validation sees them, and their targets."""
    found = dataset(algorithms.get(job.algorithm), job, data.train, "validation")
    if not isinstance(found, ImageDataset):
        raise UserError("A baseline needs the images in any order, but channel 'train' is in Pipe mode: use File mode")
    parts = np.array_split(np.arange(len(data.train)), max(1, len(data.train) // _BATCH))
    with ThreadPoolExecutor(usable_cores()) as pool:
        batches = list(pool.map(partial(_batch, found), parts))
    broken = BrokenImages("train", data.train, job.run.max_broken)
    for batch in batches:
        broken.note(batch.broken)
    usable = [batch for batch in batches if len(batch.indices)]
    if not usable:
        raise UserError("channel 'train' has no image that can be used")
    images = torch.cat([batch.images for batch in usable]).permute(0, 2, 3, 1).contiguous().numpy()
    return images, torch.cat([batch.targets for batch in usable])


def _batch(found: ImageDataset, indices: np.ndarray) -> Batch:
    return found.__getitems__(Draw(indices, np.zeros(len(indices), np.uint64)))
