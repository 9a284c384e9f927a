"""What an algorithm is. Trainer, server, command line and reports ask this and nothing else.

A folder below ``vision/algorithms`` is an algorithm. Its ``facts.py`` holds ``FACTS``, which need no torch; its
``algorithm.py`` holds ``ALGORITHM``, an instance of a subclass of ``Algorithm``.

Type variables: H hyperparameters, A plan, N network, O its raw outputs, T target of an image, P prediction for one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel
from torch import Tensor, nn

from vision.algorithms.facts import AlgorithmFacts
from vision.artifacts.export import ExportHeads
from vision.data.augmentations.augmentation import NO_TARGET, SpatialTarget
from vision.data.dataset import Transform
from vision.data.labels import Task
from vision.data.look import SizeFindings
from vision.data.sample import RawTarget, Reader
from vision.metrics.evaluation import Evaluation, Table
from vision.nn.stages import Stages
from vision.settings.channels import Channel
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.run import RunSettings
from vision.training.log_lines import LogLines

if TYPE_CHECKING:
    # A server, which does not train, does without Lightning.
    from vision.training.task import TrainingFacts, TrainingTask

Stage = Literal["train", "validation", "inference"]

H = TypeVar("H", bound=TrainingHyperparameters)
A = TypeVar("A", bound=BaseModel)
N = TypeVar("N", bound=nn.Module)
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True)
class ScoredLabel:
    """A class that a model saw in an image, by its id, and how sure it is of it, 0..1.

    Where pixels are classified, ``score`` is the share of them that the class covers.
    ``box_xyxy_unit``: where it is, in fractions of the image (x right, y down); None: the whole image is meant.
    """

    class_id: int
    score: float
    box_xyxy_unit: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Mark:
    """What is drawn onto an image: ``names``, shortened where there is no room, and a ``note`` behind them.

    ``box_xyxy_unit``: they stand on this box, in fractions of the image; None: in the image's corner. Marks of equal
    ``color_number``, or else names, have one color. ``mask`` bool [H, W] of the image's size: these pixels are tinted
    in it, and the names stand in the legend.
    """

    names: str
    note: str = ""
    box_xyxy_unit: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None
    color_number: int | None = None


@dataclass(frozen=True)
class TargetSummary:
    """What the labels of one channel say.

    ``class_counts`` float64 [classes] (labels or boxes of each class, None where labels were not looked at),
    ``problems`` sentences that end the run, ``warnings`` sentences that do not.
    """

    num_samples: int
    class_counts: np.ndarray | None
    class_names: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabeledChannel:
    """The channel ``name`` ("train" or "validation") of a job as an algorithm reads its labels.

    ``channels`` are all of the job, among them those that only this algorithm declares. ``reader`` gives the samples,
    all of the channel or a part of them.
    """

    name: str
    channels: Mapping[str, Channel]
    reader: Reader

    @property
    def channel(self) -> Channel:
        """Where the images lie."""
        return self.channels[self.name]


class Algorithm(ABC, Generic[H, A, N, O, T, P]):
    """One built-in algorithm. Stateless: everything it needs is passed in."""

    facts: ClassVar[AlgorithmFacts]

    # Data ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def summarize_targets(self, source: LabeledChannel, hyperparameters: H, run: RunSettings) -> TargetSummary:
        """Look at every label of a channel, without reading images."""

    def size_findings(self, sizes_px: np.ndarray, hyperparameters: H, run: RunSettings) -> SizeFindings:
        """Return what widths and heights int64 [N, 2] of images say: which training does not see whole, or at all."""
        return SizeFindings()

    def needs_label_counts(self, hyperparameters: H, run: RunSettings) -> bool:
        """Return whether training needs ``class_counts``, so that a stream is read once more to have them."""
        return False

    @abstractmethod
    def target_decoder(
        self, source: LabeledChannel, hyperparameters: H, run: RunSettings
    ) -> Callable[[RawTarget, str], T]:
        """Return the function (raw label, key) -> target of one image. Picklable; raises DataError."""

    @abstractmethod
    def transform(self, hyperparameters: H, stage: Stage) -> Transform:
        """Return the augmentation (train) or plain resizing. Picklable."""

    def training_transform(self, hyperparameters: H, run: RunSettings) -> Transform:
        """Return the algorithm's own augmentation, as far as settings of the run change it. Picklable."""
        return self.transform(hyperparameters, "train")

    def spatial_target(self, target: T) -> SpatialTarget:
        """Return what of a target lies somewhere in its image and moves with it.

        The fifth column of boxes is the number of the object in the target.
        """
        assert not {"boxes", "mask"} & set(self.facts.label_tasks), f"{self.facts.name} must say what moves"
        return NO_TARGET

    def moved_target(self, target: T, moved: SpatialTarget) -> T:
        """Return the target with what lies in the image in its new place, as far as it is still shown."""
        return target

    def class_ids(self, target: T) -> np.ndarray:
        """Return the ids of the classes that an image shows, each once; for the capability balanced_sampling."""
        raise NotImplementedError

    @abstractmethod
    def collate_targets(self, targets: list[T]) -> object:
        """Join the targets of N images to a tensor or a NamedTuple of tensors with N first."""

    # Network ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def architecture(self, hyperparameters: H, backbone: str | None = None) -> A:
        """Return the plan of the network that these hyperparameters ask for. Raises UserError.

        ``backbone`` is run.backbone, for algorithms that declare to be able to use one.
        """

    @abstractmethod
    def read_architecture(self, plan: Mapping[str, object]) -> A:
        """Check the plan found in a model folder. Raises UserError."""

    def backbone_of(self, architecture: A) -> str | None:
        """Return the value of run.backbone that a network was built from; None without."""
        return None

    def continue_architecture(self, plan: Mapping[str, object], hyperparameters: H) -> dict[str, object]:
        """Return the plan with which a run continues a stored network's: with the run's settings of the head.

        An algorithm whose weights serve other settings too (not among ``must_match``) follows those as well.
        """
        return {**plan, **hyperparameters.model_dump(include=set(self.facts.head_settings))}

    @abstractmethod
    def build_network(self, architecture: A) -> N:
        """Build a network with untrained weights: images uint8 [N, 3, H, W] -> raw outputs."""

    @abstractmethod
    def load_pretrained(self, network: N, architecture: A, weights_folder: Path | None) -> str:
        """Put ImageNet weights into the base network and return a sentence saying which. Raises UserError."""

    @abstractmethod
    def is_head(self, parameter: str, architecture: A) -> bool:
        """Return whether a key of the state dict belongs to the layers that depend on the number of classes."""

    def stages(self, network: N) -> Stages:
        """Return the stages of the base network; what is in none is the head. A network may have no base apart."""
        return ()

    def embed(self, network: N, images: Tensor) -> Tensor:
        """Return what the base network sees in images uint8 [N, 3, H, W], as vectors [N, D] for an index.

        Of like images they point in like directions; they are not scaled. For algorithms that declare ``embedding``.
        Raises UserError where a network has no base.
        """
        raise NotImplementedError

    def fit_baseline(self, images: np.ndarray, targets: Tensor, hyperparameters: H, seed: int) -> tuple[A, N, Table]:
        """Return what people used before networks, trained, with its plan and a table of what was tried.

        ``images`` uint8 [N, H, W, 3] as validation sees them; ``targets`` are what ``collate_targets`` gives. For
        algorithms that declare ``baseline``. Raises UserError.
        """
        raise NotImplementedError

    def untrained_baseline(self, hyperparameters: H) -> N:
        """Return an untrained baseline, whose ``embed`` measures images; for algorithms that declare ``baseline``."""
        raise NotImplementedError

    @abstractmethod
    def task(self, network: N, hyperparameters: H, run: RunSettings, facts: TrainingFacts) -> TrainingTask:
        """Return the LightningModule that trains and evaluates the network."""

    def also_measured(self, hyperparameters: H) -> Mapping[str, H]:
        """Return other hyperparameters under which a finished model is evaluated once more, by prefix of its metrics.

        For figures that training has no time for after every epoch.
        """
        return {}

    @abstractmethod
    def preprocessing(self, hyperparameters: H, architecture: A) -> dict[str, Any]:
        """Describe for readers of the model folder, as JSON, how an image becomes the network's input."""

    @abstractmethod
    def export_heads(self, network: N, hyperparameters: H) -> ExportHeads:
        """Return the network on the CPU as a function of images alone, and what its outputs mean."""

    # Answers ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def predict(self, outputs: O, network: N, hyperparameters: H, sizes_px: Sequence[tuple[int, int]]) -> list[P]:
        """Turn the raw outputs of a batch into one typed prediction (NumPy, on the host) for each image.

        ``sizes_px`` are the widths and heights of the original images, in whose frame answers are given.
        """

    @abstractmethod
    def describe_prediction(self, prediction: P, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return the JSON object for people and scripts: SageMaker's ``prediction`` plus names."""

    @abstractmethod
    def summarize(self, description: Mapping[str, Any]) -> str:
        """Say in a few words on one line what ``describe_prediction`` says."""

    @abstractmethod
    def marks(self, description: Mapping[str, Any]) -> list[Mark]:
        """Return what to draw of a description onto its image; the first is the most certain."""

    @abstractmethod
    def respond(self, prediction: P, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]) -> bytes:
        """Return the body of SageMaker's answer for one image of that width and height, in one of ``answer_forms``."""

    def scored_labels(self, prediction: P) -> list[ScoredLabel]:
        """Return all the model saw in one image, however weak, by falling score: for Python and Rekognition's call."""
        return []

    def label_task(self, hyperparameters: H) -> Task:
        """Return what the labels of an image mean to a model with these hyperparameters."""
        (task,) = self.facts.label_tasks
        return task

    def uncertainty(self, prediction: P) -> float:
        """Return how unsure the network is of one image, 0..1; for algorithms that declare ``uncertainty``."""
        raise NotImplementedError

    def proposed_labels(self, prediction: P) -> list[ScoredLabel]:
        """Return the labels that a person is asked to confirm; none where labeling tools cannot hold them."""
        return []

    def explain(
        self, evaluation: Evaluation, network: N, hyperparameters: H, image_of: Callable[[int], np.ndarray | None]
    ) -> Evaluation:
        """Add pictures of why the network was wrong to an evaluation, where the algorithm can tell.

        ``image_of`` gives the image of an index, uint8 [H, W, 3] RGB, or None if it cannot be read.
        """
        return evaluation

    @abstractmethod
    def log_lines(self, hyperparameters: H, run: RunSettings, host: str) -> LogLines:
        """Return the lines that SageMaker's own container prints for this algorithm on the machine of that name."""


# What shared code holds: it passes on what one algorithm made to the same algorithm, and looks into none of it.
AnyAlgorithm: TypeAlias = Algorithm[Any, Any, Any, Any, Any, Any]
