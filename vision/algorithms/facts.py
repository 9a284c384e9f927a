"""What an algorithm declares without loading torch: help, sweeps, container and reports ask this and guess nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vision.algorithms.plan import Plan, nothing_planned
from vision.settings.channels import ANNOTATION, ChannelFacts
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.data.labels import Task
    from vision.data.look import DataLook
    from vision.settings.device import Machine


@dataclass(frozen=True)
class Objective:
    """What early stopping, the best model and sweeps maximize.

    ``metric`` is its name in an Evaluation, ``sagemaker`` the name that tuning jobs use.
    """

    metric: str
    sagemaker: str


@dataclass(frozen=True)
class MetricFacts:
    """One figure of an evaluation or of a training epoch, by its name without the channel's prefix.

    A ``name`` that ends in "_" has a number behind it, which stands for the "{}" of its title: "top_k_accuracy_" is
    declared for top_k_accuracy_5. A share lies between 0 and 1 and is shown in percent.
    """

    name: str
    title: str
    is_share: bool = True
    higher_is_better: bool = True
    # Whether the learning curves show it: many lines would hide the one that decides.
    is_drawn: bool = True


@dataclass(frozen=True)
class MetricDefinition:
    """A metric of a SageMaker job and the regular expression, with one group, that finds its value in the log."""

    name: str
    regex: str


@dataclass(frozen=True)
class Capabilities:
    """What shared parts may offer for this algorithm. Each is off unless the algorithm says that it works.

    ``dali``: its augmentations and targets survive NVIDIA's DALI loader. ``detect_custom_labels``: ``scored_labels``
    returns some, for Rekognition's call. ``onnx_pipeline``: an ONNX file can contain the steps up to the final answer
    (``ExportHeads.append_pipeline``). ``mxnet_export``: ``interop/mxnet_export.py`` has an exporter for its networks.
    ``sample_data``: ``vision sample-data`` makes some. ``label_smoothing``: its loss follows ``run.label_smoothing``.
    ``mixing``: its losses take the labels of mixed images (``TrainingTask.soft_targets``). ``balanced_sampling``:
    ``class_ids`` says which classes an image shows.
    ``backbones``: ``run.backbone`` names its network. ``embedding``: ``embed`` makes vectors of images, for an index.
    ``uncertainty``: ``uncertainty`` says which images are worth a label.
    """

    decoded_cache: bool = False
    dali: bool = False
    detect_custom_labels: bool = False
    onnx_pipeline: bool = False
    mxnet_export: bool = False
    sample_data: bool = False
    label_smoothing: bool = False
    mixing: bool = False
    balanced_sampling: bool = False
    backbones: bool = False
    embedding: bool = False
    uncertainty: bool = False


@dataclass(frozen=True)
class AlgorithmFacts:
    """One algorithm as the outside sees it.

    ``name`` has underscores. ``summary`` is half a sentence for lists of algorithms. ``label_tasks`` say
    what the labels of an image may mean. ``answer_forms`` are the media types in which it answers, the first for
    clients that take any; ";verbose" marks ours with class names.
    ``must_match`` are hyperparameters that a model shares with the run that continues it (SageMaker, "Incremental
    Training"), ``head_settings`` those that only concern the last layers, which ``run.new_head`` makes anew,
    ``measured_by`` those that two models must share to be measured by the same figures. ``baseline`` are the
    hyperparameters with which ``Algorithm.fit_baseline`` works; None: it has none. ``plan`` chooses them by a look at
    the data, beside the settings that the user states, by full names, as texts.
    """

    name: str
    title: str
    summary: str
    hyperparameters: type[TrainingHyperparameters]
    objective: Objective
    metrics: tuple[MetricFacts, ...]
    metric_definitions: tuple[MetricDefinition, ...]
    channels: tuple[ChannelFacts, ...]
    label_tasks: tuple[Task, ...]
    answer_forms: tuple[str, ...]
    capabilities: Capabilities
    must_match: tuple[str, ...]
    head_settings: tuple[str, ...] = ("num_classes",)
    measured_by: tuple[str, ...] = ()
    baseline: Mapping[str, str] | None = None
    plan: Callable[[DataLook, Machine, Mapping[str, str]], Plan] = nothing_planned

    @property
    def labels_are_images(self) -> bool:
        """Whether the label of an image is another image, which labels its pixels."""
        return set(self.label_tasks) == {"mask"}

    def label_suffixes(self, channel: str) -> tuple[str, ...]:
        """Return the endings of the label files of a channel of images, as its companion declares them.

        An algorithm without such a channel has none.
        """
        return next((one.label_suffixes for one in self.channels if one.name == f"{channel}{ANNOTATION}"), ())

    def objective_of(self, run: RunSettings) -> str:
        """Return the metric that a run maximizes."""
        return run.objective or self.objective.metric

    def metric(self, name: str) -> MetricFacts | None:
        """Return what is declared of a metric, with or without its channel's prefix; None if nothing is."""
        plain = name.removeprefix("train_").removeprefix("validation_")
        stem = plain.rstrip("0123456789")
        return next((one for one in self.metrics if one.name in (plain, stem)), None)
