"""Opens and checks the data of a run, in files or pipes: readers, counts, class names, data sets."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm, LabeledChannel, TargetSummary
from vision.algorithms.augmentation import training_transform
from vision.api.held_out import HeldOut
from vision.data.dataset import CacheSettings, ImageDataset, Transform
from vision.data.image_codec import some_sizes
from vision.data.labels import TASK_NAMES, Task, task_hint, task_of
from vision.data.readers.class_names import names_problem
from vision.data.readers.open import open_channel
from vision.data.readers.pipe import PipeReader
from vision.data.sample import Reader, Remarking
from vision.data.stream import PassLabels, StreamDataset
from vision.settings.device import usable_cores
from vision.settings.errors import DataError, SettingsError, UserError
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.job import TrainingJob
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_accelerator

log = logging.getLogger(__name__)

H = TypeVar("H", bound=TrainingHyperparameters)

MAX_THREADS = 16
# The kind of this many labels is taken for that of the whole channel.
_LOOKED_AT = 16
# Images whose sizes are looked at, from all over the channel.
_SIZES = 32


@dataclass(frozen=True)
class RunData:
    """Training and validation images of a run, checked, and what their labels say.

    ``held_out`` says which images of channel train are those of validation; None if these have a channel.
    """

    train: Reader
    validation: Reader
    train_summary: TargetSummary
    class_names: tuple[str, ...] | None
    held_out: HeldOut | None = None


def open_run_data(algorithm: AnyAlgorithm, job: TrainingJob, held_out: HeldOut | None = None) -> RunData:
    """Open train and validation and look at every label. Raises SettingsError with all problems of both.

    ``held_out`` is what an earlier start of the run held out of channel train.
    """
    if job.run.validation_share is not None:
        return _open_divided(algorithm, job, held_out)
    readers: dict[str, Reader] = {}
    summaries, problems = {}, []
    for name in ("train", "validation"):
        if job.channels[name].input_mode == "Pipe":
            readers[name], summary = open_stream(algorithm, job, name)
        else:
            readers[name], summary = _open_labels(algorithm, job, name)
        summaries[name] = summary
        problems += [f"channel {name!r}: {problem}" for problem in summary.problems]
        for warning in summary.warnings:
            log.warning("channel %r: %s", name, warning)
    if problems:
        raise SettingsError(problems)
    names = job.run.class_names or readers["train"].class_names
    check_names(names, readers["validation"].class_names, job)
    return RunData(readers["train"], readers["validation"], summaries["train"], names)


def _open_labels(algorithm: AnyAlgorithm, job: TrainingJob, name: str) -> tuple[Reader, TargetSummary]:
    """Open a channel in File mode and look at every label."""
    reader = open_channel(job.channels, name, label_suffixes=algorithm.facts.label_suffixes(name))
    if not len(reader):
        raise UserError(f"channel {name!r} ({job.channels[name].path}) holds no images")
    source = LabeledChannel(name, job.channels, reader)
    summary = look_at_labels(algorithm, source, job.hyperparameters, job.run)
    warnings, problems = judge_sizes(algorithm, source, job)
    return reader, replace(summary, warnings=(*summary.warnings, *warnings), problems=(*summary.problems, *problems))


def judge_sizes(
    algorithm: AnyAlgorithm, source: LabeledChannel, job: TrainingJob
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return warnings and problems by the sizes of some images of channel train: too many may be too small."""
    if source.name != "train" or not len(sizes_px := some_sizes(source.reader, _SIZES)):
        return (), ()
    found, share = algorithm.size_findings(sizes_px, job.hyperparameters, job.run), job.run.max_broken
    if not found.num_too_small:
        return found.warnings, ()
    # Three standard deviations above the number that is allowed.
    surely = len(sizes_px) * share + 3 * math.sqrt(len(sizes_px) * share * (1 - share))
    if found.num_too_small <= surely:
        return (found.too_small, *found.warnings), ()
    return found.warnings, (f"{found.too_small}, and a higher run.max_broken than {share:g} leaves them out",)


def _open_divided(algorithm: AnyAlgorithm, job: TrainingJob, held_out: HeldOut | None) -> RunData:
    """Open channel train, of which a share is held out for validation."""
    reader, summary = _open_labels(algorithm, job, "train")
    for remark in summary.warnings:
        log.warning("channel 'train': %s", remark)
    if summary.problems:
        raise SettingsError([f"channel 'train': {problem}" for problem in summary.problems])
    names = job.run.class_names or reader.class_names
    check_names(names, None, job)
    held_out = held_out or HeldOut.choose(reader, job.channels, job.run)
    warning = held_out.warning(job.hyperparameters.num_classes)
    if warning:
        log.warning("channel 'train': %s", warning)
    train, validation = held_out.parts(reader)
    source = LabeledChannel("train", job.channels, train)
    summary = algorithm.summarize_targets(source, job.hyperparameters, job.run)
    return RunData(train, validation, summary, names, held_out)


def check_names(names: tuple[str, ...] | None, validation_names: tuple[str, ...] | None, job: TrainingJob) -> None:
    """Raise UserError if the names of a run do not fit its number of classes, or those of validation."""
    num_classes = job.hyperparameters.num_classes
    if names is not None and len(names) != num_classes:
        raise UserError(
            f"there are {len(names)} class names ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}), but "
            f"hp.num_classes is {num_classes}; set hp.num_classes={len(names)} or correct the names"
        )
    if job.run.class_names is not None or names is None or validation_names is None:
        return
    problem = names_problem("channel 'train'", names, "channel 'validation'", validation_names)
    if problem:
        raise UserError(problem)


def run_names(
    train_names: tuple[str, ...] | None, start_names: tuple[str, ...] | None, job: TrainingJob
) -> tuple[str, ...]:
    """Return the class names of a run: those of the run settings, the data or the model that it goes on from.

    Raises UserError where data and model give one class different names.
    """
    if job.run.class_names is None and train_names is not None and start_names is not None:
        problem = names_problem("the model in channel 'model'", start_names, "channel 'train'", train_names)
        if problem:
            raise UserError(f"{problem}, or set run.class_names if only the names differ")
    names = job.run.class_names or train_names or start_names
    return names or tuple(map(str, range(job.hyperparameters.num_classes)))


def settle_counts(hyperparameters: H, num_images: int, machines: int = 1, held_out: int = 0) -> H:
    """Return the hyperparameters with a mini-batch no larger than the data of one machine.

    Warns if it was larger, and if ``num_training_samples`` is not the true number of images, with or without those
    that are ``held_out``.
    """
    hp = hyperparameters
    if hp.num_training_samples == num_images + held_out:
        hp = hp.model_copy(update={"num_training_samples": num_images})
    if hp.num_training_samples != num_images:
        log.warning(
            "hp.num_training_samples is %d, but channel 'train' holds %d images: epochs and learning rate steps "
            "follow the %d images that are there",
            hp.num_training_samples,
            num_images,
            num_images,
        )
    largest = max(1, num_images // machines)
    if hp.mini_batch_size > largest:
        log.warning(
            "hp.mini_batch_size is %d, but channel 'train' holds only %d images: training with batches of %d",
            hp.mini_batch_size,
            num_images,
            largest,
        )
        hp = hp.model_copy(update={"mini_batch_size": largest})
    return hp


def dataset(algorithm: AnyAlgorithm, job: TrainingJob, reader: Reader, name: str) -> ImageDataset | StreamDataset:
    """Return the dataset of one channel: "train" augments and replaces broken images, "validation" does neither."""
    if isinstance(reader, PipeReader):
        return stream_dataset(algorithm, job, reader, name)
    training = name == "train"
    source = "train" if job.run.divides_train else name
    return ImageDataset(
        reader,
        algorithm.target_decoder(LabeledChannel(source, job.channels, reader), job.hyperparameters, job.run),
        _transform(algorithm, job, name),
        algorithm.collate_targets,
        replace_broken=training,
        cache=_cache_settings(job),
        scaled_decode=bool(job.run.scaled_decode),
    )


def open_stream(algorithm: AnyAlgorithm, job: TrainingJob, name: str) -> tuple[PipeReader, TargetSummary]:
    """Open a channel's pipes. Labels are checked as they arrive, unless training needs their counts first."""
    hp = job.hyperparameters
    expected = hp.num_training_samples if name == "train" else 0
    reader = PipeReader(
        job.channels[name].path,
        job.run.stall_timeout_s,
        expected,
        job.channels[name].label_format,
        image_labels=algorithm.facts.labels_are_images,
    )
    if name != "train" or not algorithm.needs_label_counts(hp, job.run):
        return reader, TargetSummary(expected, None)
    log.info("reading channel 'train' once to count its labels, which this loss needs")
    labels = PassLabels(reader)
    for index, sample in enumerate(reader.next_pass()):
        labels.add(index, sample)
    return reader, look_at_labels(algorithm, LabeledChannel(name, job.channels, labels), hp, job.run)


def stream_dataset(algorithm: AnyAlgorithm, job: TrainingJob, reader: PipeReader, name: str) -> StreamDataset:
    """Return the dataset of one channel in Pipe mode."""

    def check_labels(labels: PassLabels) -> None:
        summary = look_at_labels(algorithm, LabeledChannel(name, job.channels, labels), job.hyperparameters, job.run)
        for warning in summary.warnings:
            log.warning("channel %r, pass %d: %s", name, reader.passes_opened, warning)
        if summary.problems:
            raise SettingsError([f"channel {name!r}: {problem}" for problem in summary.problems])

    return StreamDataset(
        reader,
        algorithm.target_decoder(LabeledChannel(name, job.channels, reader), job.hyperparameters, job.run),
        _transform(algorithm, job, name),
        algorithm.collate_targets,
        threads=max(1, min(MAX_THREADS, usable_cores())),
        check_labels=check_labels,
        scaled_decode=bool(job.run.scaled_decode),
    )


def _transform(algorithm: AnyAlgorithm, job: TrainingJob, name: str) -> Transform:
    if name == "train":
        return training_transform(algorithm, job.hyperparameters, job.run)
    return algorithm.transform(job.hyperparameters, "validation")


def _cache_settings(job: TrainingJob) -> CacheSettings:
    kind, processes = choose_accelerator(job.run)
    can_cache = algorithms.facts_of(job.algorithm).capabilities.decoded_cache
    return CacheSettings(
        job.run.cache if can_cache else "none",
        job.run.cache_folder or (job.run.output or Path("runs")) / "cache",
        epochs=job.hyperparameters.epochs,
        processes=processes,
        on_gpu=kind == "cuda",
    )


def look_at_labels(
    algorithm: AnyAlgorithm, source: LabeledChannel, hyperparameters: TrainingHyperparameters, run: RunSettings
) -> TargetSummary:
    """Look at every label of a channel. Labels of another kind than the algorithm's are one problem for all images."""
    reader = source.reader
    problem = task_problem(algorithm, reader)
    if problem is not None:
        return TargetSummary(len(reader), None, reader.class_names, (problem,))
    summary = algorithm.summarize_targets(source, hyperparameters, run)
    remarks = reader.remarks if isinstance(reader, Remarking) else ()
    return replace(summary, warnings=(*remarks, *summary.warnings))


def task_problem(algorithm: AnyAlgorithm, reader: Reader) -> str | None:
    """Return a sentence where the labels of a channel are not of the kind that the algorithm works with."""
    found = channel_task(reader)
    if found is None or found in algorithm.facts.label_tasks:
        return None
    wanted = " or ".join(TASK_NAMES[task] for task in algorithm.facts.label_tasks)
    others = [facts.name for facts in algorithms.all_facts() if found in facts.label_tasks]
    hint = task_hint(found, algorithm.facts.label_tasks)
    remedy = (f" ({hint})" if hint else "") + (f", or use {' or '.join(others)}" if others else "")
    return f"its labels are {TASK_NAMES[found]}, but {algorithm.facts.name} works with {wanted}: give such data{remedy}"


def channel_task(reader: Reader) -> Task | None:
    """Return what the first labels of a channel are, None where they differ or are unclear."""
    found = {_task_at(reader, index) for index in islice(range(len(reader)), _LOOKED_AT)} - {None}
    return found.pop() if len(found) == 1 else None


def _task_at(reader: Reader, index: int) -> Task | None:
    try:
        return task_of(reader.target(index))
    except DataError:
        return None
