"""Evaluates a stored model with the code that evaluates it during training, so that both say the same."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm, LabeledChannel
from vision.api.held_out import HeldOut, channels_of_run
from vision.api.model import fill_network, open_model
from vision.api.run_data import dataset, look_at_labels, task_problem
from vision.artifacts.model_folder import StoredModel
from vision.data.broken_images import BrokenImages
from vision.data.datamodule import VisionDataModule, choose_workers
from vision.data.readers.class_names import names_problem
from vision.data.readers.open import open_channel
from vision.data.readers.pipe import PipeReader
from vision.data.sample import Reader
from vision.metrics.evaluation import Evaluation
from vision.metrics.verdict import verdict_of
from vision.settings.channels import Channel
from vision.settings.errors import DataError, UserError
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.job import Job, TrainingJob
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds
from vision.training.accelerator import choose_accelerator
from vision.training.out_of_memory import explain_training_memory
from vision.training.progress import quiet_lightning
from vision.training.task import TrainingFacts, TrainingTask
from vision.training.trainer import build_trainer, wanted_precision

log = logging.getLogger(__name__)

_OWN = (
    "These are the images on which the model's own run validated: the best epoch was chosen by them, so that figures "
    "flatter a little; images that had no part in that tell what the model is worth."
)
PRECISIONS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class EvaluatedModel:
    """A stored model and its evaluation, with the settings and the data of that evaluation.

    ``open_training`` returns the images that the model learned from, None where they are not at hand.
    """

    stored: StoredModel
    evaluation: Evaluation
    validation: Reader
    run: RunSettings
    open_training: Callable[[], Reader | None] = lambda: None


def evaluate(
    model: str | Path,
    channels: Mapping[str, Channel],
    run: RunSettings | None = None,
    thresholds: Thresholds | None = None,
) -> Evaluation:
    """Evaluate a model folder, model.tar.gz or run folder on the ``validation`` channel. Raises UserError.

    Without channels the images are those on which the run of the model validated.
    """
    return evaluate_model(model, channels, run, thresholds).evaluation


def evaluate_model(
    model: str | Path,
    channels: Mapping[str, Channel],
    run: RunSettings | None = None,
    thresholds: Thresholds | None = None,
) -> EvaluatedModel:
    """Evaluate like ``evaluate``, and return all that a report needs."""
    run = run or RunSettings()
    stored = open_model(model, run)
    is_own, given_channels = not channels, channels
    channels, run, held_out = validation_of(model, channels, run)
    given = thresholds.of_classes(stored.class_names, stored.assumed_thresholds) if thresholds else None
    reader = open_validation(stored, channels, run, held_out, warns=True)
    evaluation = evaluate_stored(stored, channels, run, reader, thresholds=given)
    # A model without epochs, a baseline, chose nothing by these images.
    if is_own and stored.epoch:
        evaluation = replace(evaluation, notes=(*evaluation.notes, _OWN))
    return EvaluatedModel(
        stored, evaluation, reader, run, partial(_training_images, stored, model, dict(given_channels))
    )


def evaluate_stored(
    stored: StoredModel,
    channels: Mapping[str, Channel],
    run: RunSettings,
    given: Reader | None = None,
    *,
    alone: bool = False,
    thresholds: Sequence[float | None] | None = None,
) -> Evaluation:
    """Return the evaluation of a loaded model, with the figures that its algorithm measures apart.

    The arguments are those of ``evaluated_task``. Pipes give no images for further figures.
    """
    reader = open_validation(stored, channels, run) if given is None else given
    algorithm, hp = _algorithm_of(stored)
    task = evaluated_task(stored, channels, run, reader, alone=alone, thresholds=thresholds)
    found = evaluation_of(task)
    figures = task.image_metrics(task.evaluated)
    found = replace(found, verdict=verdict_of(algorithm.facts.objective.metric, figures, found.num_images))
    if isinstance(reader, PipeReader):
        return found
    metrics = dict(found.metrics)
    for prefix, others in algorithm.also_measured(hp).items():
        task = evaluated_task(stored, channels, run, reader, alone=alone, hyperparameters=others)
        metrics |= {f"{prefix}{name}": value for name, value in evaluation_of(task).metrics.items()}
    return replace(found, metrics=metrics)


def evaluated_task(
    stored: StoredModel,
    channels: Mapping[str, Channel],
    run: RunSettings,
    given: Reader | None = None,
    *,
    alone: bool = False,
    thresholds: Sequence[float | None] | None = None,
    hyperparameters: TrainingHyperparameters | None = None,
) -> TrainingTask:
    """Evaluate a loaded model: each image once, in batches of the size it was trained with.

    The task that did it holds the evaluation and everything that it was made of. ``given`` is the validation channel
    where it is in Pipe mode and under way, or stands for it. ``alone``: in this process only, although it may be one of
    several. ``thresholds`` of the classes take the place of those of best F1, ``hyperparameters`` that of the model's.
    """
    quiet_lightning()
    reader = open_validation(stored, channels, run) if given is None else given
    run = _as_trained(run, stored)
    algorithm, hp = _algorithm_of(stored)
    hp = hyperparameters or hp
    job: TrainingJob = Job(algorithm.facts.name, hp, dict(channels), run)
    network = algorithm.build_network(algorithm.read_architecture(stored.architecture))
    fill_network(network, stored.state_dict(), "the model")
    task = algorithm.task(network, hp, job.run, TrainingFacts(tuple(stored.class_names), key_of=reader.key))
    task.thresholds = thresholds
    task.broken = {"validation": BrokenImages("validation", reader, run.max_broken)}
    accelerator, processes = choose_accelerator(run)
    data = VisionDataModule(
        train=None,
        validation=dataset(algorithm, job, reader, "validation"),
        batch_size=hp.mini_batch_size,
        validation_batch=hp.validation_batch,
        workers=choose_workers(run.workers, processes, on_gpu=accelerator == "cuda"),
        seed=run.seed,
        pin_memory=accelerator == "cuda",
    )
    trainer = build_trainer(hp, run, callbacks=[], alone=alone)
    sharing = 1 if alone else processes
    with explain_training_memory(hp.mini_batch_size, sharing, wanted_precision(hp, run), trainer.strategy.root_device):
        trainer.validate(task, datamodule=data, verbose=False)
    return task


def evaluation_of(task: TrainingTask) -> Evaluation:
    """Return the evaluation of a task, with a note on the images that were left out."""
    assert task.evaluation is not None
    left_out = task.broken["validation"].summary()
    notes = (*task.evaluation.notes, *([left_out] if left_out else []))
    return replace(task.evaluation, notes=notes)


def validation_of(
    model: str | Path, channels: Mapping[str, Channel], run: RunSettings
) -> tuple[Mapping[str, Channel], RunSettings, HeldOut | None]:
    """Return channels and settings to measure a model with: if no channel is given, those of the run that made it.

    The third is what that run held out of channel train, if it did.
    """
    if channels:
        return channels, run, None
    stored, held_out = _run_of(model)
    if held_out is not None:
        run = run.model_copy(update={"validation_share": len(held_out.indices) / held_out.images})
    return stored, run, held_out


def _run_of(model: str | Path) -> tuple[dict[str, Channel], HeldOut | None]:
    """Return the channels of the run that made a model, none if that is unknown, and what it held out of train."""
    folders = (Path(model), Path(model).parent)
    folder, stored = next(((one, found) for one in folders if (found := channels_of_run(one))), (None, {}))
    return stored, None if folder is None else HeldOut.read(folder)


def _training_images(stored: StoredModel, model: str | Path, channels: Mapping[str, Channel]) -> Reader | None:
    """Return what the model learned from: channel train if it is given, else that of its run, if it is there still."""
    facts = algorithms.get(stored.algorithm).facts
    try:
        known, held_out = (channels, None) if "train" in channels else _run_of(model)
        if "train" not in known or known["train"].input_mode == "Pipe":
            return None
        reader = open_channel(known, "train", stored.class_names, facts.label_suffixes("train"))
        return reader if held_out is None else held_out.parts(reader)[0]
    except UserError as error:
        log.info("the images that the model learned from cannot be read: %s", error)
        return None


def open_validation(
    stored: StoredModel,
    channels: Mapping[str, Channel],
    run: RunSettings,
    held_out: HeldOut | None = None,
    *,
    warns: bool = False,
) -> Reader:
    """Return the reader of the images to measure on, labels and class names checked; ``warns`` logs what is doubtful.

    They are channel validation, or what a run ``held_out`` of channel train.
    """
    name = "validation" if held_out is None else "train"
    if name not in channels:
        raise UserError("there is nothing to evaluate on: give channels.validation=PATH")
    algorithm, hp = _algorithm_of(stored)
    try:
        reader = open_channel(channels, name, stored.class_names, algorithm.facts.label_suffixes(name))
    except DataError as error:
        # If the labels are of another kind, say that, rather than complain about their classes.
        problem = _kind_problem(algorithm, channels, name)
        if problem is None:
            raise
        raise UserError(f"channel {name!r}: {problem}") from error
    summary = look_at_labels(algorithm, LabeledChannel(name, channels, reader), hp, run)
    problems = [f"channel {name!r}: {problem}" for problem in summary.problems]
    if not problems and run.class_names is None and reader.class_names is not None:
        problem = names_problem("the model", stored.class_names, f"channel {name!r}", reader.class_names)
        problems += [problem] if problem else []
    if problems:
        raise UserError("\n".join(problems))
    for warning in summary.warnings if warns else ():
        log.warning("channel %r: %s", name, warning)
    return reader if held_out is None else held_out.parts(reader)[1]


def _kind_problem(algorithm: AnyAlgorithm, channels: Mapping[str, Channel], name: str) -> str | None:
    """Return a sentence where the labels are of another kind than the algorithm's, whatever their classes are."""
    try:
        return task_problem(algorithm, open_channel(channels, name))
    except UserError:
        return None


def _algorithm_of(stored: StoredModel) -> tuple[AnyAlgorithm, TrainingHyperparameters]:
    """Return a model's algorithm and the hyperparameters of its training."""
    algorithm = algorithms.get(stored.algorithm)
    return algorithm, algorithm.facts.hyperparameters.parse(stored.hyperparameters)


def _as_trained(run: RunSettings, stored: StoredModel) -> RunSettings:
    """Return the settings with the arithmetic and the decoding of the model's training, unless others are asked for.

    Nothing is compiled, which one pass over the data does not pay back.
    """
    update: dict[str, object] = {"compile": False}
    precision = stored.preprocessing.get("precision")
    if run.precision == "auto" and precision in PRECISIONS:
        update["precision"] = precision
    if run.scaled_decode is None:
        update["scaled_decode"] = stored.preprocessing.get("scaled_decode") is True
    return run.model_copy(update=update)
