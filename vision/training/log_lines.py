"""The lines that SageMaker's own containers print, which its metric regexes and people's scripts read.

Source: sagemaker-contract, sections 1.4 (image classification), 2.5 (object detection) and 7.8. An algorithm
hands out one ``LogLines``; the trainer calls it without knowing which.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

BEST_MODEL_SENTENCE = "checkpoint_frequency not set, will store the best model"


@dataclass(frozen=True)
class BatchReport:
    """Where an epoch stands. ``epoch`` counts from 0, ``batches`` and ``images`` are those of this epoch.

    ``images_per_second`` is the speed since the last such report, ``seconds`` the time since the epoch began,
    ``metrics`` what the epoch has reached so far, by name without prefix.
    """

    epoch: int
    batches: int
    images: int
    images_per_second: float
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EpochReport:
    """The training part of an epoch, counted from 0, out of ``epochs``; metrics by name without prefix."""

    epoch: int
    epochs: int
    seconds: float
    images_per_second: float
    metrics: Mapping[str, float]


class LogLines(ABC):
    """One algorithm's lines, without the prefix that ``LogWriter`` adds."""

    @abstractmethod
    def parameters(self) -> list[str]:
        """What is printed once before the first epoch."""

    @abstractmethod
    def batch(self, report: BatchReport) -> list[str]:
        """What is printed every so many batches."""

    @abstractmethod
    def epoch_train(self, report: EpochReport) -> list[str]:
        """What is printed after an epoch's last batch."""

    @abstractmethod
    def validation(self, epoch: int, metrics: Mapping[str, float]) -> list[str]:
        """What is printed after the validation of an epoch, counted from 0."""

    @abstractmethod
    def best_model(self, score: float) -> list[str]:
        """What is printed when an epoch is the best so far by the algorithm's objective."""

    def checkpoint(self, path: Path | str) -> list[str]:
        """What is printed when a model has been written."""
        return [f'Saved checkpoint to "{path}"']


class ClassificationLogLines(LogLines):
    """Image classification's. ``hyperparameters`` are strings by name, without those that are not set."""

    # Label in the log, hyperparameter it shows, and what stands there if that is not set (None: no line).
    PARAMETERS: tuple[tuple[str, str, str | None], ...] = (
        ("num_layers", "num_layers", None),
        ("data type", "precision_dtype", None),
        ("epochs", "epochs", None),
        ("image resize size", "resize", None),
        ("optimizer", "optimizer", None),
        ("momentum", "momentum", None),
        ("weight_decay", "weight_decay", None),
        ("learning_rate", "learning_rate", None),
        ("num_training_samples", "num_training_samples", None),
        ("mini_batch_size", "mini_batch_size", None),
        ("image_shape", "image_shape", None),
        ("num_classes", "num_classes", None),
        ("augmentation_type", "augmentation_type", "None"),
        ("kv_store", "kv_store", "device"),
        ("top_k", "top_k", None),
        ("checkpoint_frequency", "checkpoint_frequency", None),
    )

    def __init__(self, hyperparameters: Mapping[str, str]) -> None:
        self.hyperparameters = hyperparameters
        top_k = hyperparameters.get("top_k")
        self.metric_names = ("accuracy", f"top_k_accuracy_{top_k}") if top_k else ("accuracy",)

    def parameters(self) -> list[str]:
        given = self.hyperparameters
        pretrained = given.get("use_pretrained_model", "0")
        lines = [f"use_pretrained_model: {pretrained}", f"multi_label: {given.get('multi_label', '0')}"]
        if pretrained == "1":
            lines.append("Using pretrained model for initializing weights and transfer learning.")
        lines.append("---- Parameters ----")
        for label, name, unset in self.PARAMETERS:
            value = given.get(name, unset)
            if value is not None:
                lines.append(f"{label}: {_numpy_class(value) if label == 'data type' else value}")
        if "checkpoint_frequency" not in given:
            lines.append(BEST_MODEL_SENTENCE)
        return [*lines, "--------------------"]

    def batch(self, report: BatchReport) -> list[str]:
        metrics = "".join(f"\t{name}={value:f}" for name, value in self._known(report.metrics))
        speed = f"{report.images_per_second:.2f} samples/sec"
        return [f"Epoch[{report.epoch}] Batch [{report.batches}]\tSpeed: {speed}{metrics}"]

    def epoch_train(self, report: EpochReport) -> list[str]:
        epoch = f"Epoch[{report.epoch}]"
        lines = [f"{epoch} Train-{name}={value:f}" for name, value in self._known(report.metrics)]
        return [*lines, f"{epoch} Time cost={report.seconds:.3f}"]

    def validation(self, epoch: int, metrics: Mapping[str, float]) -> list[str]:
        return [f"Epoch[{epoch}] Validation-{name}={value:f}" for name, value in self._known(metrics)]

    def best_model(self, score: float) -> list[str]:
        return [f"Storing the best model with validation accuracy: {score:f}"]

    def _known(self, metrics: Mapping[str, float]) -> list[tuple[str, float]]:
        return [(name, metrics[name]) for name in self.metric_names if name in metrics]


class DetectionLogLines(LogLines):
    """Object detection's. ``host`` is the machine's name in a SageMaker job."""

    LOSSES = ("cross_entropy", "smooth_l1")

    def __init__(self, hyperparameters: Mapping[str, str], host: str) -> None:
        self.hyperparameters = hyperparameters
        self.host = host

    def parameters(self) -> list[str]:
        values = [f"{name}: {value}" for name, value in self.hyperparameters.items()]
        return ["---- Parameters ----", *values, "--------------------"]

    def batch(self, report: BatchReport) -> list[str]:
        place = f"#quality_metric: host={self.host}, epoch={report.epoch}, batch={report.batches}"
        losses = [
            f"{place} train {name} <loss>={report.metrics[name]:.6g}" for name in self.LOSSES if name in report.metrics
        ]
        return [
            *losses,
            f"Epoch: {report.epoch:4d}, batches: {report.batches:6d}, num_examples: {report.images:6d}, "
            f"{report.images_per_second:.1f} samples/sec, "
            f"epoch time so far:  {timedelta(seconds=report.seconds)}",
        ]

    def epoch_train(self, report: EpochReport) -> list[str]:
        percent = 100 * (report.epoch + 1) // report.epochs
        return [
            f"#progress_metric: host={self.host}, completed {percent} % of epochs",
            f"#throughput_metric: host={self.host}, "
            f"train throughput={round(report.images_per_second, 2)} records/second",
        ]

    def validation(self, epoch: int, metrics: Mapping[str, float]) -> list[str]:
        return [f"#quality_metric: host={self.host}, epoch={epoch}, validation mAP <score>=({metrics['mAP']:.6g})"]

    def best_model(self, score: float) -> list[str]:
        return [f"Updating the best model with validation-mAP={score:.6g}"]


class LogWriter:
    """Writes lines with SageMaker's prefix ``[MM/DD/YYYY HH:MM:SS INFO pid]`` and flushes at once."""

    def __init__(self, stream: TextIO, now: Callable[[], datetime] = datetime.now) -> None:
        self.stream = stream
        self.now = now

    def write(self, lines: Iterable[str]) -> None:
        """Write each line on a line of its own, whatever a value in it contains."""
        prefix = f"[{self.now():%m/%d/%Y %H:%M:%S} INFO {os.getpid()}]"
        for line in lines:
            # A path or name with a line break must not forge a metric line.
            print(prefix, " ".join(line.splitlines()), file=self.stream)
        self.stream.flush()


def _numpy_class(dtype: str) -> str:
    return f"<class 'numpy.{dtype}'>"
