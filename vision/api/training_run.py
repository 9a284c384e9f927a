"""Trains a model: from a checked job to a run folder with a model in it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytorch_lightning as pl

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm
from vision.api.divided_batch import divide_batch
from vision.api.evaluation import evaluate_stored
from vision.api.held_out import HeldOut
from vision.api.run_data import RunData, open_run_data, run_names, settle_counts
from vision.api.run_folder import RunFolder, checkpoint_to_resume, new_run_folder, open_run_folder
from vision.api.start_model import StartModel, start_model
from vision.api.task_and_data import task_and_data
from vision.api.unsupported import refuse_unsupported
from vision.api.yardstick import baseline_sentence
from vision.artifacts.model_card import CardFacts, model_card
from vision.artifacts.model_description import MODEL_JSON, ModelDescription
from vision.artifacts.model_folder import StoredModel, load_model, save_model
from vision.data.readers.pipe import PipeReader
from vision.data.sample import Reader
from vision.files.atomic_file import write_whole
from vision.files.write_error import WriteError
from vision.metrics.evaluation import Evaluation
from vision.metrics.verdict import selection_sentence
from vision.settings.errors import UserError
from vision.settings.job import TrainingJob
from vision.training.accelerator import choose_accelerator
from vision.training.checkpoints import LAST, BestModel, Checkpoints
from vision.training.early_stopping import StopEarly, stopping_rule
from vision.training.loggers import History, Row
from vision.training.out_of_memory import explain_training_memory
from vision.training.processes import is_first_process, leave_group, machines, peer_losses
from vision.training.progress import Progress, quiet_lightning
from vision.training.progress_display import Display
from vision.training.task import TrainingTask
from vision.training.termination import Terminated, Termination
from vision.training.trainer import build_trainer, learning_callbacks, wanted_precision

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, the history by epoch, and the evaluation of the model that was kept.

    ``yardstick`` is a sentence on the baseline that was trained on the same images, if one was. ``training`` are the
    images that the model learned from, None where they came as a stream.
    """

    folder: RunFolder
    job: TrainingJob
    history: list[Row]
    evaluation: Evaluation
    validation: Reader
    yardstick: str | None = None
    training: Reader | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics of the model that was kept, on the validation channel."""
        return self.evaluation.metrics

    @property
    def verdict(self) -> tuple[str, ...]:
        """Return sentences that say in plain words how good the model is, and what its figure does not tell."""
        found = self.evaluation.verdict
        if found is None:
            return ()
        chosen = selection_sentence([row.get(f"validation_{found.metric}", math.nan) for row in self.history])
        return (*found.sentences(), *(sentence for sentence in (self.yardstick, chosen) if sentence))


@dataclass(frozen=True)
class OwnParts:
    """What a caller in Python brings along and no setting can name.

    ``callbacks`` of Lightning are called before a checkpoint is written. ``display`` makes what shows the progress
    where ``run.progress`` is auto.
    """

    callbacks: tuple[pl.Callback, ...] = ()
    display: Callable[[], Display] | None = None


@dataclass(frozen=True)
class _Run:
    """The checked parts of one run."""

    algorithm: AnyAlgorithm
    job: TrainingJob
    data: RunData
    start: StartModel
    folder: RunFolder
    class_names: tuple[str, ...]

    def save(self, task: TrainingTask, epoch: int, metrics: dict[str, float], *, best: bool, keep: bool) -> None:
        """Write the network as it is now into the model folder."""
        description = ModelDescription(
            algorithm=self.algorithm.facts.name,
            architecture=self.start.architecture.model_dump(mode="json"),
            hyperparameters=self.job.hyperparameters.to_strings(),
            class_names=self.class_names,
            preprocessing={
                **self.algorithm.preprocessing(self.job.hyperparameters, self.start.architecture),
                "precision": wanted_precision(self.job.hyperparameters, self.job.run),
                "scaled_decode": bool(self.job.run.scaled_decode),
            },
            metrics=metrics,
            epoch=epoch,
            assumed_thresholds=assumed_thresholds(task.evaluation),
        )
        save_model(self.folder.model, description, task.network.state_dict(), best=best, keep=keep)
        self.folder.model_changed()


def write_card(folder: RunFolder, job: TrainingJob, data: RunData, stored: StoredModel, evaluation: Evaluation) -> None:
    """Say what the model of a run is, beside it."""
    counts = data.train_summary.class_counts
    places = {name: str(channel.path) for name, channel in job.channels.items()}
    held_out = {"validation": f"held out of {places['train']}"} if data.held_out is not None else {}
    facts = CardFacts(
        title=algorithms.facts_of(job.algorithm).title,
        data={**places, **held_out},
        images={"train": len(data.train), "validation": evaluation.num_images},
        class_counts=None if counts is None else tuple(map(float, counts)),
        metrics=evaluation.metrics,
    )
    write_whole(folder.card, model_card(folder.name, stored, facts))


def train(
    job: TrainingJob, folder: RunFolder | None = None, data: RunData | None = None, own: OwnParts | None = None
) -> RunResult:
    """Run a job from its first look at the data to the packed model.

    ``folder`` takes the place of the one that the run settings name, ``data`` that of the channels. Raises UserError
    for anything the user can mend, and Terminated when a signal ended the run, after its state and a model were saved.
    """
    quiet_lightning()
    refuse_unsupported(job)
    folder = folder or new_run_folder(job)
    try:
        with ExitStack() as stack:
            return _train(_prepare(job, folder, data, stack), data, own or OwnParts())
    except WriteError as error:
        raise UserError(f"{error}{_kept(folder)}") from error


def _kept(folder: RunFolder) -> str:
    """Return the end of a sentence: which outputs of a run are complete although another could not be written."""
    kept = {"model": folder.model / MODEL_JSON, "checkpoint": folder.checkpoints / LAST}
    found = [f"the {name} in {path.parent}" for name, path in kept.items() if path.exists()]
    return f"; kept: {' and '.join(found)}, so that run.resume=true goes on" if found else ""


def _train(run: _Run, data: RunData | None, own: OwnParts) -> RunResult:
    job = run.job
    hp = run.job.hyperparameters
    task, module = task_and_data(run.algorithm, job, run.data, run.start, run.class_names)
    checkpoints = Checkpoints(run.folder.checkpoints, job.run.checkpoint_every_steps)
    history = History(run.folder.metrics)
    lines = run.algorithm.log_lines(hp, job.run, run.folder.host)
    progress = Progress(lines, job.run.progress, job.run.log_every_steps, auto=own.display)
    metric = run.algorithm.facts.objective_of(job.run)

    def save(epoch: int, metrics: dict[str, float], improved: bool, regular: bool) -> None:
        run.save(task, epoch, metrics, best=improved, keep=regular)
        progress.model_saved(run.folder.model, metrics[f"validation_{metric}"] if improved else None)

    best = BestModel(metric, hp.kept_every_epochs, save)
    rule = stopping_rule(hp, job.run)
    callbacks: list[pl.Callback] = [
        progress,
        history,
        best,
        *([StopEarly(metric, rule)] if rule is not None else []),
        *learning_callbacks(job.run),
        *own.callbacks,
        checkpoints,
        Termination(checkpoints),
    ]
    trainer = build_trainer(hp, job.run, callbacks=callbacks, folder=run.folder.path)
    resume_from = checkpoint_to_resume(job.run, checkpoints)
    if resume_from is None:
        for logger in trainer.loggers:
            logger.log_hyperparams(hp.to_strings())
    _, processes = choose_accelerator(job.run)
    precision, there = wanted_precision(hp, job.run), trainer.strategy.root_device
    told = explain_training_memory(hp.mini_batch_size, processes, precision, there)
    try:
        with peer_losses(job.run.stall_timeout_s), told:
            trainer.fit(task, datamodule=module, ckpt_path=resume_from, weights_only=True)
    except Terminated:
        if trainer.is_global_zero:
            if not (run.folder.model / MODEL_JSON).exists():
                run.save(task, trainer.current_epoch, {}, best=True, keep=False)
            run.folder.pack()
        raise
    if not progress.has_begun and trainer.is_global_zero:
        log.warning("the run had done its %d epochs or was ended early: nothing was left to train", hp.epochs)
    return _finish(run, trainer, task, history, run.data.validation if data is not None else None)


def _prepare(job: TrainingJob, folder: RunFolder, data: RunData | None, stack: ExitStack) -> _Run:
    """Check and open everything; ``stack`` keeps the run's folder for this run."""
    algorithm = algorithms.get(job.algorithm)
    for warning in job.hyperparameters.warnings():
        log.warning("%s", warning)
    data = data or open_run_data(algorithm, job, HeldOut.read(folder.path) if job.run.resume else None)
    held_out = 0 if data.held_out is None else len(data.validation)
    hp = settle_counts(job.hyperparameters, len(data.train), machines(), held_out)
    job = replace(job, hyperparameters=hp)
    # Before the folder is taken: what is wrong with the network must not stand in the way of another try.
    start = start_model(algorithm, job)
    if job.run.fit_memory:
        job = divide_batch(algorithm, job, data, start, folder.settings if job.run.resume else None)
    facts = {"train images": len(data.train), "validation images": len(data.validation)}
    stack.enter_context(open_run_folder(job, facts, folder))
    if data.held_out is not None and is_first_process():
        data.held_out.write(folder.path)
    return _Run(algorithm, job, data, start, folder, run_names(data.class_names, start.class_names, job))


def assumed_thresholds(evaluation: Evaluation | None) -> dict[str, float]:
    """Return the thresholds from the evaluation of the same weights; none before the first evaluation."""
    return evaluation.labels.threshold_of() if evaluation and evaluation.labels else {}


def _finish(run: _Run, trainer: pl.Trainer, task: TrainingTask, history: History, given: Reader | None) -> RunResult:
    if not trainer.is_global_zero:
        # Only the first process has the model; the others know the metrics of the last epoch.
        assert task.evaluation is not None
        # A thread of the group that still runs when Python ends would abort the process.
        leave_group()
        return RunResult(run.folder, run.job, history.rows, task.evaluation, run.data.validation)
    run.folder.pack()
    leave_group()
    stored = load_model(run.folder.model)
    is_apart = run.data.held_out is not None or isinstance(run.data.validation, PipeReader)
    reader = run.data.validation if is_apart else given
    evaluation = evaluate_stored(stored, run.job.channels, run.job.run, reader, alone=True)
    write_card(run.folder, run.job, run.data, stored, evaluation)
    metric = "" if evaluation.verdict is None else evaluation.verdict.metric
    yardstick = baseline_sentence(run.folder.path, metric, evaluation.metrics.get(metric, math.nan))
    training = None if isinstance(run.data.train, PipeReader) else run.data.train
    return RunResult(run.folder, run.job, history.rows, evaluation, run.data.validation, yardstick, training)
