"""Channels in Pipe mode: what can be known of a stream before it is read, and the dataset that reads it."""

from __future__ import annotations

import logging
import os
from typing import Any

from vision.algorithms.algorithm import Algorithm, TargetSummary
from vision.data.readers.pipe import PipeReader
from vision.data.sample import RawTarget
from vision.data.stream import StreamDataset
from vision.settings.job import Job

log = logging.getLogger(__name__)

MAX_THREADS = 16


class _LabelsOfAPass:
    """The labels of one pass, kept without the images; a ``Reader`` for looking at labels."""

    class_names: tuple[str, ...] | None = None

    def __init__(self, reader: PipeReader) -> None:
        self._reader = reader
        self._targets = [sample.target for sample in reader.next_pass()]

    def __len__(self) -> int:
        return len(self._targets)

    def target(self, index: int) -> RawTarget:
        return self._targets[index]

    def key(self, index: int) -> str:
        return self._reader.key(index)

    def __getitem__(self, index: int) -> Any:
        return self._reader[index]


def open_stream(algorithm: Algorithm, job: Job[Any], name: str) -> tuple[PipeReader, TargetSummary]:
    """The reader of a channel's pipes. Labels are looked at as they come, unless training needs their counts first."""
    hp = job.hyperparameters
    expected = hp.num_training_samples if name == "train" else 0
    reader = PipeReader(job.channels[name].path, job.run.stall_timeout_s, expected)
    if name != "train" or not algorithm.needs_label_counts(hp):
        return reader, TargetSummary(expected, None)
    log.info("reading channel 'train' once to count its labels, which this loss needs")
    summary = algorithm.summarise_targets(_LabelsOfAPass(reader), job.channels[name], hp, job.run)
    return reader, summary


def stream_dataset(algorithm: Algorithm, job: Job[Any], reader: PipeReader, name: str) -> StreamDataset:
    """The dataset of one channel in Pipe mode."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return StreamDataset(
        reader,
        algorithm.target_decoder(job.channels[name], job.hyperparameters, job.run),
        algorithm.transform(job.hyperparameters, "train" if name == "train" else "validation"),
        algorithm.collate_targets,
        threads=max(1, min(MAX_THREADS, cores)),
    )
