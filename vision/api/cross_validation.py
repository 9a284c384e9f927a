"""Cross-validation: one run for each fold, validated on the part of the training data that it does not train on."""

from __future__ import annotations

import json
import logging
import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm, LabeledChannel
from vision.api.run_data import RunData, check_names, look_at_labels
from vision.api.run_folder import RunFolder, new_run_folder
from vision.api.training_run import train
from vision.data.hold_out import alike_groups
from vision.data.readers.open import open_channel
from vision.data.readers.subset import SubsetReader
from vision.data.sample import Reader
from vision.data.stratification import assign_parts
from vision.files.atomic_file import write_whole
from vision.metrics.evaluation import Table
from vision.settings.counted import counted
from vision.settings.errors import SettingsError, UserError
from vision.settings.job import Job, TrainingJob
from vision.settings.strict_json import read_json

log = logging.getLogger(__name__)

RESULT = "cross_validation.json"
FOLD_RESULT = "fold.json"


@dataclass(frozen=True)
class CrossValidation:
    """The results of all folds, in their order.

    ``metrics`` are those of each fold's kept model on its own part, ``sizes`` the numbers of images of these parts.
    """

    folder: Path
    metrics: tuple[dict[str, float], ...]
    sizes: tuple[int, ...]

    def mean(self, name: str) -> float:
        """Return the mean of a metric over the folds."""
        return statistics.fmean(fold[name] for fold in self.metrics)

    def spread(self, name: str) -> float:
        """Return the standard deviation of a metric over the folds (n-1)."""
        values = [fold[name] for fold in self.metrics]
        return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the metrics that all folds have."""
        return tuple(name for name in self.metrics[0] if all(name in fold for fold in self.metrics))

    def table(self) -> Table:
        """Return a table with a row for each metric: mean, spread, and the value of each fold."""
        columns = ("metric", "mean", "spread", *(f"fold {number}" for number in range(len(self.metrics))))
        rows: list[tuple[str | int | float | None, ...]] = [
            (name, self.mean(name), self.spread(name), *(fold[name] for fold in self.metrics)) for name in self.names
        ]
        return Table("Cross-validation", columns, tuple(rows))


def cross_validate(job: TrainingJob) -> CrossValidation:
    """Train once for each of ``run.folds``, in a run folder each below the job's. Raises UserError and Terminated.

    The folds are of channel ``train`` alone; a ``validation`` channel is left untouched. A resumed cross-validation
    keeps the folds that are done.
    """
    job = _in_one_process(job)
    folds = job.run.folds
    assert folds is not None
    algorithm = algorithms.get(job.algorithm)
    reader, labels = _read_labels(algorithm, job, folds)
    fold_of = assign_parts(labels, [1 / folds] * folds, job.run.seed, _copies(reader, folds))
    # Both parts come from one channel, so its labels are read in the same way.
    channels = {**job.channels, "validation": job.channels["train"]}
    folder = new_run_folder(job).path
    metrics, sizes = [], []
    for fold in range(folds):
        place = RunFolder(folder / f"fold_{fold}")
        sizes.append(int((fold_of == fold).sum()))
        done = _finished(place, job, np.flatnonzero(fold_of == fold).tolist())
        if done is None:
            run = job.run.model_copy(update={"output": place.path})
            fold_job = Job(job.algorithm, job.hyperparameters, channels, run)
            done = _run_fold(algorithm, fold_job, place, reader, fold_of == fold)
        metrics.append(done)
    result = CrossValidation(folder, tuple(metrics), tuple(sizes))
    _write(folder / RESULT, _document(result, job))
    return result


def _in_one_process(job: TrainingJob) -> TrainingJob:
    """Return the job with one process: several trainings in a row cannot each start further processes."""
    if job.run.devices not in (None, 1):
        raise UserError(f"run.folds trains on one GPU, but run.devices is {job.run.devices}: leave run.devices out")
    return replace(job, run=job.run.model_copy(update={"devices": 1}))


def _read_labels(algorithm: AnyAlgorithm, job: TrainingJob, folds: int) -> tuple[Reader, list[dict[int, float]]]:
    """Return the training channel and how often each image shows each class."""
    hp = job.hyperparameters
    if job.channels["train"].input_mode == "Pipe":
        raise UserError("run.folds needs the images in any order, but channel 'train' is in Pipe mode: use File mode")
    reader = open_channel(job.channels, "train", label_suffixes=algorithm.facts.label_suffixes("train"))
    if len(reader) < folds:
        raise UserError(
            f"channel 'train' holds {counted(len(reader), 'image')}, too few for run.folds={folds}: give fewer folds"
        )
    summary = look_at_labels(algorithm, LabeledChannel("train", job.channels, reader), hp, job.run)
    if summary.problems:
        raise SettingsError([f"channel 'train': {problem}" for problem in summary.problems])
    labels = []
    for index in range(len(reader)):
        part = LabeledChannel("train", job.channels, SubsetReader(reader, np.array([index])))
        single = algorithm.summarize_targets(part, hp, job.run)
        counts = () if single.class_counts is None else single.class_counts
        labels.append({class_id: float(count) for class_id, count in enumerate(counts) if count})
    return reader, labels


def _copies(reader: Reader, folds: int) -> np.ndarray:
    """Return the group of each image, int64 [images]; copies of an image in two folds would flatter the score."""
    groups, _ = alike_groups(reader)
    different = len(np.unique(groups))
    if different < folds:
        raise UserError(
            f"channel 'train' holds {counted(len(reader), 'image')}, but only {different} that do not look "
            f"alike, too few for run.folds={folds}: give fewer folds"
        )
    return groups


def _run_fold(
    algorithm: AnyAlgorithm, job: TrainingJob, folder: RunFolder, reader: Reader, held_out: np.ndarray
) -> dict[str, float]:
    """Train on what is not held out; the metrics on what is."""
    log.info("%s: %d of %d images held out", folder.name, held_out.sum(), len(reader))
    train_part = SubsetReader(reader, np.flatnonzero(~held_out))
    part = SubsetReader(reader, np.flatnonzero(held_out))
    source = LabeledChannel("train", job.channels, train_part)
    summary = algorithm.summarize_targets(source, job.hyperparameters, job.run)
    names = job.run.class_names or reader.class_names
    check_names(names, reader.class_names, job)
    hp = job.hyperparameters.model_copy(update={"num_training_samples": len(train_part)})
    result = train(replace(job, hyperparameters=hp), folder, RunData(train_part, part, summary, names))
    _write(
        folder.path / FOLD_RESULT, {"metrics": _finite(result.metrics), "held_out": np.flatnonzero(held_out).tolist()}
    )
    return result.metrics


def _finished(folder: RunFolder, job: TrainingJob, held_out: list[int]) -> dict[str, float] | None:
    """Return the metrics of a fold that an earlier run finished, if this run resumes it; else None."""
    path = folder.path / FOLD_RESULT
    if not (job.run.resume and path.exists()):
        return None
    try:
        document = read_json(path)
        if document["held_out"] != held_out:
            raise UserError(
                f"{path} held out other images than this run would (other data, another run.seed or version): give"
                " another run.output, or run.resume=false"
            )
        return {name: math.nan if value is None else float(value) for name, value in document["metrics"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the result of a fold ({error}): remove its folder to train it again") from error


def _document(result: CrossValidation, job: TrainingJob) -> dict[str, object]:
    return {
        "algorithm": job.algorithm,
        "folds": len(result.metrics),
        "seed": job.run.seed,
        "images": list(result.sizes),
        "mean": _finite({name: result.mean(name) for name in result.names}),
        "spread": _finite({name: result.spread(name) for name in result.names}),
        "metrics": [_finite(fold) for fold in result.metrics],
    }


def _finite(metrics: dict[str, float]) -> dict[str, float | None]:
    """Return the metrics with None in place of NaN, which JSON lacks."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _write(path: Path, document: dict[str, object]) -> None:
    write_whole(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
