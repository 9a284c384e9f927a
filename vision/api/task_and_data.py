"""Puts a checked job together: the task that trains its network, and the loaders of its images."""

from __future__ import annotations

from vision.algorithms.algorithm import AnyAlgorithm
from vision.algorithms.augmentation import sampling_weights
from vision.api.run_data import RunData, dataset
from vision.api.start_model import StartModel
from vision.data.broken_images import BrokenImages
from vision.data.dali.loader import DaliSettings, require_dali
from vision.data.datamodule import VisionDataModule, choose_workers
from vision.data.dataset import ImageDataset
from vision.settings.errors import UserError
from vision.settings.job import TrainingJob
from vision.training.accelerator import choose_accelerator
from vision.training.processes import machines
from vision.training.task import TrainingFacts, TrainingTask


def task_and_data(
    algorithm: AnyAlgorithm, job: TrainingJob, data: RunData, start: StartModel, class_names: tuple[str, ...]
) -> tuple[TrainingTask, VisionDataModule]:
    """Return what trains the network of a checked job, and the loaders of its images. Raises UserError."""
    batch = job.hyperparameters.mini_batch_size * machines()
    accelerator, processes = choose_accelerator(job.run)
    _check_share(job.hyperparameters.mini_batch_size, processes)
    task = algorithm.task(
        start.network,
        job.hyperparameters,
        job.run,
        TrainingFacts(
            class_names=class_names,
            steps_per_epoch=len(data.train) // batch,
            images_per_step=batch,
            key_of=data.validation.key,
            num_samples=data.train_summary.num_samples,
            class_counts=data.train_summary.class_counts,
            stages=algorithm.stages(start.network),
        ),
    )
    task.broken = {
        name: BrokenImages(name, reader, job.run.max_broken)
        for name, reader in (("train", data.train), ("validation", data.validation))
    }
    train_set = dataset(algorithm, job, data.train, "train")
    workers = choose_workers(job.run.workers, processes, on_gpu=accelerator == "cuda")
    dali = None
    if job.run.loader == "dali":
        require_dali(train_set)
        dali = DaliSettings(max(1, workers), accelerator == "cuda")
    weights = None
    if job.run.balanced_sampling:
        assert isinstance(train_set, ImageDataset), "refused for pipes"
        weights = sampling_weights(algorithm, train_set)
    module = VisionDataModule(
        train=train_set,
        validation=dataset(algorithm, job, data.validation, "validation"),
        batch_size=batch,
        validation_batch=job.hyperparameters.validation_batch * machines(),
        workers=workers,
        seed=job.run.seed,
        pin_memory=accelerator == "cuda",
        dali=dali,
        weights=weights,
        stall_timeout_s=job.run.stall_timeout_s,
    )
    return task, module


def _check_share(batch: int, processes: int) -> None:
    if batch % processes:
        raise UserError(
            f"hp.mini_batch_size is {batch}, which {processes} GPUs (processes) of a machine cannot share evenly: give "
            f"a multiple of {processes}, or set run.devices"
        )
