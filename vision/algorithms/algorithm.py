"""What an algorithm is. Readers, trainer, container, server, command line and reports ask this and nothing else.

A folder below ``vision/algorithms`` is an algorithm: its ``__init__`` holds ``ALGORITHM``, an instance of a subclass,
and imports its other files lazily, so that settings can be checked without loading torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vision.settings.channels import Channel
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    import numpy as np
    from pydantic import BaseModel
    from torch import nn

    from vision.algorithms.finding import Finding
    from vision.artifacts.export_heads import ExportHeads
    from vision.data.dataset import Transform
    from vision.data.labels import Task
    from vision.data.sample import RawTarget, Reader
    from vision.metrics.evaluation import Evaluation
    from vision.training.log_lines import LogLines
    from vision.training.task import TrainingTask

Stage = Literal["train", "validation", "inference"]


@dataclass(frozen=True)
class Objective:
    """What early stopping, the best model and sweeps look at; higher is better.

    ``metric`` is its name in an Evaluation, ``sagemaker`` the name that tuning jobs use.
    """

    metric: str
    sagemaker: str


@dataclass(frozen=True)
class TargetSummary:
    """What the labels of one channel say.

    ``class_counts`` float64 [classes] (labels or boxes of each class, None where labels were not looked at),
    ``problems`` sentences that end the run,
    ``warnings`` sentences that do not.
    """

    num_samples: int
    class_counts: np.ndarray | None
    class_names: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Algorithm(ABC):
    """One built-in algorithm. Stateless: everything it needs is passed in."""

    name: ClassVar[str]
    title: ClassVar[str]
    image_name: ClassVar[str]
    objective: ClassVar[Objective]
    # Hyperparameters that a model must share with the run that continues it (SageMaker, "Incremental Training").
    must_match: ClassVar[tuple[str, ...]]
    # Hyperparameters whose change only concerns the last layers, which ``run.new_head`` makes anew.
    head_settings: ClassVar[tuple[str, ...]] = ("num_classes",)
    # Hyperparameters that two models must share to be measured by the same figures.
    measured_by: ClassVar[tuple[str, ...]] = ()
    # What the labels of an image may be.
    label_tasks: ClassVar[tuple[Task, ...]]
    # Media types in which ``respond`` answers; the first is for clients that take any.
    response_forms: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def hyperparameters(self) -> type[TrainingHyperparameters]:
        """The class of the documented hyperparameters."""

    @abstractmethod
    def summarise_targets(
        self, reader: Reader, channel: Channel, hyperparameters: Any, run: RunSettings
    ) -> TargetSummary:
        """Look at every label of a channel, without reading images."""

    def needs_label_counts(self, hyperparameters: Any) -> bool:
        """Whether training needs ``class_counts``, so that a stream is read once more to have them."""
        return False

    @abstractmethod
    def target_decoder(
        self, channel: Channel, hyperparameters: Any, run: RunSettings
    ) -> Callable[[RawTarget, str], Any]:
        """The function (raw label, key) -> target of one image. Picklable; raises DataError."""

    @abstractmethod
    def transform(self, hyperparameters: Any, stage: Stage) -> Transform:
        """Augmentation (train) or plain resizing. Picklable."""

    @abstractmethod
    def collate_targets(self, targets: list[Any]) -> Any:
        """Targets of N images -> a tensor or NamedTuple of tensors with N first."""

    @abstractmethod
    def architecture(self, hyperparameters: Any) -> BaseModel:
        """The network's plan that these hyperparameters ask for."""

    @abstractmethod
    def read_architecture(self, plan: Mapping[str, Any]) -> BaseModel:
        """Check the plan found in a model folder; raises UserError."""

    def continue_architecture(self, plan: Mapping[str, Any], hyperparameters: Any) -> dict[str, Any]:
        """The plan with which a run goes on from a stored network's: with the run's settings of the head.

        An algorithm whose weights serve other settings too (not among ``must_match``) follows those as well.
        """
        return {**plan, **{name: getattr(hyperparameters, name) for name in self.head_settings}}

    @abstractmethod
    def build_network(self, architecture: Any) -> nn.Module:
        """A network with untrained weights: images uint8 [N, 3, H, W] -> raw outputs."""

    @abstractmethod
    def load_pretrained(self, network: Any, architecture: Any, weights_folder: Path | None) -> str:
        """Put ImageNet weights into the base network; returns a sentence saying which. Raises UserError."""

    @abstractmethod
    def is_head(self, parameter: str, architecture: Any) -> bool:
        """Whether a key of the network's state dict belongs to the layers that depend on the number of classes."""

    @abstractmethod
    def task(
        self,
        network: Any,
        hyperparameters: Any,
        run: RunSettings,
        class_names: tuple[str, ...],
        **facts: Any,
    ) -> TrainingTask:
        """The LightningModule that trains and evaluates the network.

        ``facts``: ``steps_per_epoch``, ``images_per_step``, ``class_counts`` (float64 [classes]), ``key_of``
        (validation index -> key), and for evaluation only the last.
        """

    @abstractmethod
    def preprocessing(self, hyperparameters: Any, architecture: Any) -> dict[str, Any]:
        """JSON object for readers of the model folder: how an image becomes the network's input."""

    @abstractmethod
    def predict(self, outputs: Any, network: Any, hyperparameters: Any) -> list[Any]:
        """Raw outputs of a batch -> one typed prediction (NumPy, on the host) for each image."""

    @abstractmethod
    def describe_prediction(self, prediction: Any, class_names: tuple[str, ...]) -> dict[str, Any]:
        """JSON object for people and scripts: SageMaker's ``prediction`` plus names."""

    @abstractmethod
    def respond(self, prediction: Any, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]) -> Any:
        """JSON value of SageMaker's answer for one image of that width and height, in one of ``response_forms``.

        A form that ends in ``;verbose`` also says the names of classes.
        """

    @abstractmethod
    def findings(self, prediction: Any) -> list[Finding]:
        """Everything the model saw in one image, however weak, by falling score."""

    def explain(
        self,
        evaluation: Evaluation,
        network: Any,
        hyperparameters: Any,
        image_of: Callable[[int], np.ndarray | None],
    ) -> Evaluation:
        """The evaluation with pictures of why the network was wrong, where the algorithm can tell.

        ``image_of`` gives the image of an index, uint8 [H, W, 3] RGB, or None if it cannot be read.
        """
        return evaluation

    @abstractmethod
    def export_heads(self, network: Any, hyperparameters: Any) -> ExportHeads:
        """The network on the CPU as a function of images alone, and what its outputs mean."""

    @abstractmethod
    def log_lines(self, hyperparameters: Any, host: str) -> LogLines:
        """The lines that SageMaker's own container prints for this algorithm on the machine of that name."""
