"""Finds a learning rate for a job by trying a range of them in one short training, of which nothing is kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from vision import algorithms
from vision.api.divided_batch import divide_batch
from vision.api.run_data import open_run_data, run_names, settle_counts
from vision.api.start_model import start_model
from vision.api.task_and_data import task_and_data
from vision.api.unsupported import refuse_unsupported
from vision.settings.errors import UserError
from vision.settings.job import TrainingJob
from vision.training.optimizer import reads_rate
from vision.training.progress import quiet_lightning
from vision.training.rate_range import RangeTried, RateCurve, RateRange
from vision.training.trainer import build_trainer

FEWEST_UPDATES = 20


def find_rate(job: TrainingJob, *, low: float = 1e-6, high: float = 1.0, updates: int = 100) -> RateCurve:
    """Return the loss of the job's training at rates from ``low`` to ``high``, one update each. Raises UserError.

    The network, the images and their augmentation are those of the job; its schedule and warm-up are left out.
    """
    if not 0 < low < high:
        raise UserError(f"low is {low:g} and high is {high:g}, but low must be above 0 and below high: change one.")
    if updates < FEWEST_UPDATES:
        raise UserError(f"updates is {updates}, but must be at least {FEWEST_UPDATES}.")
    quiet_lightning()
    refuse_unsupported(job)
    if not reads_rate(job.hyperparameters.optimizer):
        raise UserError(f"hp.optimizer={job.hyperparameters.optimizer} has no learning rate: give another one")
    algorithm = algorithms.get(job.algorithm)
    data = open_run_data(algorithm, job)
    held_out = 0 if data.held_out is None else len(data.validation)
    hp = settle_counts(job.hyperparameters, len(data.train), held_out=held_out)
    hp = hp.model_copy(update={"learning_rate": high})
    plain = {"schedule": "constant", "warmup_epochs": 0.0, "momentum_correction": False, "devices": 1}
    job = replace(job, hyperparameters=hp, run=job.run.model_copy(update=plain))
    start = start_model(algorithm, job)
    if job.run.fit_memory:
        job = divide_batch(algorithm, job, data, start)
    batches = len(data.train) // job.hyperparameters.mini_batch_size
    hp = job.hyperparameters.model_copy(update={"epochs": -(-updates * job.run.accumulate // batches) + 1})
    job = replace(job, hyperparameters=hp)
    names = run_names(data.class_names, start.class_names, job)
    task, module = task_and_data(algorithm, job, data, start, names)
    rates = RateRange(low, high, updates)
    trainer = build_trainer(hp, job.run, callbacks=[rates], alone=True)
    trainer.limit_val_batches = 0
    with suppress(RangeTried):
        trainer.fit(task, datamodule=module)
    return rates.curve
