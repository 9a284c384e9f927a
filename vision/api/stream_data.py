"""Channels in Pipe mode: what can be known of a stream before it is read, and the dataset that reads it."""

from __future__ import annotations

import logging
import os
from typing import Any

from vision.algorithms.algorithm import Algorithm, TargetSummary
from vision.api.channel_labels import look_at_labels
from vision.data.pass_labels import PassLabels
from vision.data.readers.pipe import PipeReader
from vision.data.stream import StreamDataset
from vision.settings.errors import SettingsError
from vision.settings.job import Job

log = logging.getLogger(__name__)

MAX_THREADS = 16


def open_stream(algorithm: Algorithm, job: Job[Any], name: str) -> tuple[PipeReader, TargetSummary]:
    """The reader of a channel's pipes. Labels are looked at as they come, unless training needs their counts first."""
    hp = job.hyperparameters
    expected = hp.num_training_samples if name == "train" else 0
    reader = PipeReader(job.channels[name].path, job.run.stall_timeout_s, expected, job.channels[name].label_format)
    if name != "train" or not algorithm.needs_label_counts(hp):
        return reader, TargetSummary(expected, None)
    log.info("reading channel 'train' once to count its labels, which this loss needs")
    labels = PassLabels(reader)
    for index, sample in enumerate(reader.next_pass()):
        labels.add(index, sample)
    return reader, look_at_labels(algorithm, labels, job.channels[name], hp, job.run)


def stream_dataset(algorithm: Algorithm, job: Job[Any], reader: PipeReader, name: str) -> StreamDataset:
    """The dataset of one channel in Pipe mode."""

    def check_labels(labels: PassLabels) -> None:
        summary = look_at_labels(algorithm, labels, job.channels[name], job.hyperparameters, job.run)
        for warning in summary.warnings:
            log.warning("channel %r, pass %d: %s", name, reader.passes_opened, warning)
        if summary.problems:
            raise SettingsError([f"channel {name!r}: {problem}" for problem in summary.problems])

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return StreamDataset(
        reader,
        algorithm.target_decoder(job.channels[name], job.hyperparameters, job.run),
        algorithm.transform(job.hyperparameters, "train" if name == "train" else "validation"),
        algorithm.collate_targets,
        threads=max(1, min(MAX_THREADS, cores)),
        check_labels=check_labels,
        scaled_decode=bool(job.run.scaled_decode),
    )
