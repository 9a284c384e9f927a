"""A dry run of a job: its data, its network and a first batch, with everything that is wrong at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
import torch

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm, LabeledChannel
from vision.algorithms.facts import AlgorithmFacts
from vision.api.held_out import HeldOut
from vision.api.run_data import (
    check_names,
    dataset,
    judge_sizes,
    look_at_labels,
    run_names,
    settle_counts,
    task_problem,
)
from vision.api.run_folder import HOST
from vision.api.start_model import StartModel, start_model
from vision.api.unsupported import refuse_unsupported
from vision.data.cache.free_memory import free_memory_bytes
from vision.data.collate import Batch
from vision.data.dali.loader import require_dali
from vision.data.dataset import ImageDataset
from vision.data.problems import EqualProblems
from vision.data.readers.class_names import class_name
from vision.data.readers.open import open_channel
from vision.data.sample import Reader
from vision.data.sampler import Draw
from vision.data.seeds import image_seeds
from vision.settings.channels import Channel
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError, problems_of
from vision.settings.job import Job, TrainingJob
from vision.training.accelerator import choose_accelerator, choose_device
from vision.training.freezing import Freezing
from vision.training.log_lines import BatchReport, EpochReport
from vision.training.memory import measure_training_memory
from vision.training.optimizer import OPTIMIZERS
from vision.training.task import TrainingFacts

SAMPLE_IMAGES = 8
_EXAMPLE_S = 60.0
_EXAMPLE_VALUE = 0.5

T = TypeVar("T")


@dataclass
class CheckResult:
    """What a check found.

    ``facts`` are (name, text) for people; ``log_lines`` show what the log will look like, with made-up numbers.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)


class _Warnings(logging.Handler):
    """Collects the warnings of the training code in the result."""

    def __init__(self, result: CheckResult) -> None:
        super().__init__(logging.WARNING)
        self.result = result

    def emit(self, record: logging.LogRecord) -> None:
        self.result.warnings.append(record.getMessage())


def check(job: TrainingJob) -> CheckResult:
    """Check everything that training would check in its first seconds. Problems are returned, not raised."""
    algorithm, result = algorithms.get(job.algorithm), CheckResult()
    logger, handler = logging.getLogger("vision"), _Warnings(result)
    logger.addHandler(handler)
    try:
        result.warnings += job.hyperparameters.warnings()
        _attempt(result, lambda: refuse_unsupported(job))
        names = ("train",) if job.run.divides_train else ("train", "validation")
        readers = {name: _look_at_channel(algorithm, job, name, result) for name in names}
        start = _attempt(result, lambda: start_model(algorithm, job))
        whole, validation = readers["train"], readers.get("validation")
        train = whole
        if train is not None and job.run.validation_share is not None:
            train = _attempt(result, partial(_hold_out, job, train, result))
        if train is not None and validation is not None:
            class_names = job.run.class_names or train.class_names
            _attempt(result, lambda: check_names(class_names, validation.class_names, job))
        if train is not None and start is not None:
            _attempt(result, lambda: run_names(train.class_names, start.class_names, job))
        if train is not None:
            held_out = 0 if whole is None else len(whole) - len(train)
            hp = settle_counts(job.hyperparameters, len(train), held_out=held_out)
            job = Job(job.algorithm, hp, job.channels, job.run)
            batch = _attempt(result, lambda: _first_batch(algorithm, job, train, result))
            if batch is not None and start is not None:
                _attempt(result, lambda: _look_at_network(algorithm, job, start, batch, result))
        _attempt(result, lambda: result.facts.append(("device", _device(job))))
    finally:
        logger.removeHandler(handler)
    result.log_lines = _example_lines(algorithm, job)
    return result


def check_channels(channels: Mapping[str, Channel], facts: AlgorithmFacts | None) -> list[str]:
    """Return what is wrong with the data of channels, for jobs whose hyperparameters do not allow a closer look.

    ``facts`` are those of the job's algorithm, where it is known.
    """
    result = CheckResult()
    for name in ("train", "validation"):
        if name in channels:
            suffixes = () if facts is None else facts.label_suffixes(name)
            _attempt(result, partial(open_channel, channels, name, label_suffixes=suffixes))
    return result.problems


def _attempt(result: CheckResult, work: Callable[[], T]) -> T | None:
    """Return the result of ``work``; on UserError add its sentences to the problems and return None."""
    try:
        return work()
    except UserError as error:
        result.problems += problems_of(error)
    return None


def _look_at_channel(algorithm: AnyAlgorithm, job: TrainingJob, name: str, result: CheckResult) -> Reader | None:
    if job.channels[name].input_mode == "Pipe":
        result.facts.append((name, "in Pipe mode; check the same data as files"))
        return None
    suffixes = algorithm.facts.label_suffixes(name)
    reader: Reader | None = _attempt(result, lambda: open_channel(job.channels, name, label_suffixes=suffixes))
    if reader is None:
        return None
    source = LabeledChannel(name, job.channels, reader)
    summary = look_at_labels(algorithm, source, job.hyperparameters, job.run)
    warnings, problems = judge_sizes(algorithm, source, job)
    result.problems += [f"channel {name!r}: {problem}" for problem in (*summary.problems, *problems)]
    result.warnings += [f"channel {name!r}: {warning}" for warning in (*summary.warnings, *warnings)]
    names = job.run.class_names or reader.class_names
    counts = "" if summary.class_counts is None else _shown_counts(summary.class_counts, names)
    result.facts.append((name, f"{counted(len(reader), 'image')}{counts}"))
    # Labels of another kind have been reported as one problem; do not report each of them again.
    return reader if task_problem(algorithm, reader) is None else None


def _hold_out(job: TrainingJob, reader: Reader, result: CheckResult) -> Reader:
    """Return the part of channel train that is left to train on."""
    held_out = HeldOut.choose(reader, job.channels, job.run)
    train, validation = held_out.parts(reader)
    result.facts.append(("validation", f"{counted(len(validation), 'image')}, held out of channel train"))
    warning = held_out.warning(job.hyperparameters.num_classes)
    if warning:
        result.warnings.append(f"channel 'train': {warning}")
    return train


def _device(job: TrainingJob) -> str:
    kind, processes = choose_accelerator(job.run)
    return f"{kind}, {counted(processes, 'process')}"


def _shown_counts(counts: np.ndarray, names: tuple[str, ...] | None) -> str:
    shown = ", ".join(f"{class_name(names, index)}: {int(count)}" for index, count in enumerate(counts[:20]))
    return f"; labels by class {shown}{', ...' if len(counts) > 20 else ''}"


def _first_batch(algorithm: AnyAlgorithm, job: TrainingJob, reader: Reader, result: CheckResult) -> Batch | None:
    """Return a batch of images from all over the channel, without unusable labels; None if none is usable."""
    data = dataset(algorithm, job, reader, "train")
    assert isinstance(data, ImageDataset)
    if job.run.loader == "dali":
        _attempt(result, lambda: require_dali(data))
    indices = np.linspace(0, len(reader) - 1, min(SAMPLE_IMAGES, len(reader))).astype(np.int64)
    indices = indices[[_has_label(data, reader, index) for index in indices.tolist()]]
    if not len(indices):
        return None
    started = time.perf_counter()
    batch = data.__getitems__(Draw(indices, image_seeds(job.run.seed, np.zeros_like(indices), indices)))
    speed = len(indices) / (time.perf_counter() - started)
    # An image is tried again in place of others that are broken.
    broken = EqualProblems()
    for sentence in dict(batch.broken).values():
        broken.add_sentence(sentence)
    result.problems += [f"channel 'train': {sentence}" for sentence in broken.sentences()]
    if not len(batch.indices):
        raise UserError("channel 'train': none of the images looked at can be used")
    shape = "x".join(map(str, batch.images.shape[1:]))
    result.facts.append(("first batch", f"images uint8 {shape}; {speed:.0f} images/s prepared by one process"))
    return batch


def _has_label(data: ImageDataset, reader: Reader, index: int) -> bool:
    """Return whether the label of an image can be used."""
    try:
        data.decode_target(reader.target(index), reader.key(index))
    except DataError:
        return False
    return True


def _look_at_network(
    algorithm: AnyAlgorithm, job: TrainingJob, start: StartModel, batch: Batch, result: CheckResult
) -> None:
    hp, network = job.hyperparameters, start.network.train()
    Freezing(network, job.run, algorithm.stages(network))
    task = algorithm.task(network, hp, job.run, TrainingFacts(tuple(map(str, range(hp.num_classes)))))
    with torch.no_grad():
        losses = task.losses(network(batch.images), batch.targets)
    shown = ", ".join(f"{name} {float(value):.4g}" for name, value in losses.items())
    result.facts.append(("first loss", shown))
    if not all(bool(torch.isfinite(value)) for value in losses.values()):
        result.problems.append(f"the loss of the first batch is not finite ({shown}): look at labels and start model")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    _, processes = choose_accelerator(job.run)
    share = -(-hp.mini_batch_size // processes)
    averages = OPTIMIZERS[hp.optimizer].kept(hp.optimizer_settings()) + (job.run.ema_decay is not None)
    memory = measure_training_memory(network, batch.images, averages)
    needed, available = memory.bytes_of(share), _memory_bytes(choose_device(job.run))
    text = f"{parameters / 1e6:.1f} million weights; training takes about {needed / 1e9:.1f} GB in float32"
    shared = f", {counted(share, 'image')} for each of {processes} processes" if processes > 1 else ""
    result.facts.append(("network", f"{text} with mini_batch_size={hp.mini_batch_size}{shared}"))
    if needed > available > 0 and not job.run.fit_memory:
        fitting = memory.largest_batch(available) * processes
        fits = f"run.fit_memory=true divides such batches, and hp.mini_batch_size={fitting} fits"
        remedy = fits if fitting else "not even one image fits: take a smaller network"
        result.warnings.append(f"{text}, more than the {available / 1e9:.1f} GB that are there: {remedy}")


def _memory_bytes(device: torch.device) -> int:
    """Return what a GPU has, or what is free of the machine's memory; 0 where that is unknown."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return free_memory_bytes()


def _example_lines(algorithm: AnyAlgorithm, job: TrainingJob) -> list[str]:
    lines, hp = algorithm.log_lines(job.hyperparameters, job.run, HOST), job.hyperparameters
    steps = hp.num_training_samples // hp.mini_batch_size
    made_up = _MadeUp(algorithm.facts)
    batch = BatchReport(0, steps, steps * hp.mini_batch_size, 100.0, _EXAMPLE_S, made_up, hp.learning_rate)
    epoch = EpochReport(0, hp.epochs, steps, batch.images, _EXAMPLE_S, 100.0, made_up)
    shown = lines.parameters(), lines.batch(batch), lines.epoch_train(epoch), lines.validation(epoch)
    return [*chain(*shown), *lines.epoch_end(epoch)]


class _MadeUp(Mapping[str, float]):
    """A value for every metric that an algorithm declares, whatever the number behind its name."""

    def __init__(self, facts: AlgorithmFacts) -> None:
        self.facts = facts

    def __getitem__(self, name: str) -> float:
        if self.facts.metric(name) is None:
            raise KeyError(name)
        return _EXAMPLE_VALUE

    def __iter__(self) -> Iterator[str]:
        return (one.name for one in self.facts.metrics)

    def __len__(self) -> int:
        return len(self.facts.metrics)
