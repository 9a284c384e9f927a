"""Image classification: SageMaker's built-in algorithm on ResNets, from scratch, pretrained or continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.algorithm import Algorithm, LabeledChannel, Mark, ScoredLabel, Stage, TargetSummary
from vision.algorithms.checked_plan import DAMAGED, checked_plan
from vision.algorithms.facts import AlgorithmFacts
from vision.algorithms.image_classification import classical_network
from vision.algorithms.image_classification.advice import size_findings
from vision.algorithms.image_classification.classical_features import FEATURES
from vision.algorithms.image_classification.classical_network import ClassicalArchitecture, ClassicalClassifier
from vision.algorithms.image_classification.facts import FACTS
from vision.algorithms.image_classification.grad_cam import with_explanations
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.library_network import (
    FAMILY,
    LibraryArchitecture,
    LibraryClassifier,
    is_library_head,
    library_architecture_for,
    library_stages,
    load_library_weights,
)
from vision.algorithms.image_classification.log_lines import ClassificationLogLines
from vision.algorithms.image_classification.network import (
    Architecture,
    Classifier,
    ImageClassifier,
    architecture_for,
    build_network,
    export_heads,
    is_head,
    load_pretrained,
    read_architecture,
)
from vision.algorithms.image_classification.predictions import Classification, classifications
from vision.algorithms.image_classification.response import respond
from vision.algorithms.image_classification.targets import LabelDecoder, summarize_labels
from vision.algorithms.image_classification.transforms import ClassificationTransform, build_transform
from vision.algorithms.json_answer import json_bytes
from vision.artifacts.export import ExportHeads
from vision.data.labels import Task
from vision.data.look import SizeFindings
from vision.metrics.evaluation import Evaluation, Table
from vision.nn.stages import Stages, stages_below
from vision.settings.class_weights import BALANCED
from vision.settings.errors import UserError
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.algorithms.image_classification.task import ClassificationTask
    from vision.training.task import TrainingFacts

AnyArchitecture = Architecture | LibraryArchitecture | ClassicalArchitecture


class ImageClassification(
    Algorithm[
        ImageClassificationHyperparameters, AnyArchitecture, Classifier, Tensor, np.ndarray | np.int64, Classification
    ]
):
    """Ties the files of this folder together."""

    facts: ClassVar[AlgorithmFacts] = FACTS

    def summarize_targets(
        self,
        source: LabeledChannel,
        hyperparameters: ImageClassificationHyperparameters,
        run: RunSettings,
    ) -> TargetSummary:
        return summarize_labels(source.reader, self.target_decoder(source, hyperparameters, run))

    def size_findings(
        self, sizes_px: np.ndarray, hyperparameters: ImageClassificationHyperparameters, run: RunSettings
    ) -> SizeFindings:
        return size_findings(sizes_px, hyperparameters, run)

    def needs_label_counts(self, hyperparameters: ImageClassificationHyperparameters, run: RunSettings) -> bool:
        return bool(hyperparameters.use_weighted_loss) or run.class_weights == BALANCED

    def target_decoder(
        self, source: LabeledChannel, hyperparameters: ImageClassificationHyperparameters, run: RunSettings
    ) -> LabelDecoder:
        return LabelDecoder(hyperparameters.num_classes, hyperparameters.multi_label)

    def transform(self, hyperparameters: ImageClassificationHyperparameters, stage: Stage) -> ClassificationTransform:
        return build_transform(hyperparameters, stage)

    def training_transform(
        self, hyperparameters: ImageClassificationHyperparameters, run: RunSettings
    ) -> ClassificationTransform:
        return build_transform(hyperparameters, "train", run)

    def class_ids(self, target: np.ndarray | np.int64) -> np.ndarray:
        return np.flatnonzero(target) if np.ndim(target) else np.atleast_1d(target)

    def collate_targets(self, targets: list[np.ndarray | np.int64]) -> Tensor:
        return torch.from_numpy(np.stack(targets))

    def architecture(
        self, hyperparameters: ImageClassificationHyperparameters, backbone: str | None = None
    ) -> AnyArchitecture:
        return (
            architecture_for(hyperparameters)
            if backbone is None
            else library_architecture_for(hyperparameters, backbone)
        )

    def read_architecture(self, plan: Mapping[str, object]) -> AnyArchitecture:
        if plan.get("family") == FAMILY:
            return checked_plan(LibraryArchitecture, plan, DAMAGED)
        if plan.get("family") == classical_network.FAMILY:
            return checked_plan(ClassicalArchitecture, plan, DAMAGED)
        return read_architecture(plan)

    def backbone_of(self, architecture: AnyArchitecture) -> str | None:
        return architecture.backbone if isinstance(architecture, LibraryArchitecture) else None

    def build_network(self, architecture: AnyArchitecture) -> Classifier:
        if isinstance(architecture, LibraryArchitecture):
            return LibraryClassifier(architecture)
        if isinstance(architecture, ClassicalArchitecture):
            return ClassicalClassifier(architecture)
        return build_network(architecture)

    def load_pretrained(self, network: Classifier, architecture: AnyArchitecture, weights_folder: Path | None) -> str:
        if isinstance(network, LibraryClassifier):
            return load_library_weights(network, weights_folder)
        return load_pretrained(_resnet(network), weights_folder)

    def is_head(self, parameter: str, architecture: AnyArchitecture) -> bool:
        if isinstance(architecture, LibraryArchitecture):
            return is_library_head(parameter, architecture)
        if isinstance(architecture, ClassicalArchitecture):
            return True
        return is_head(parameter, architecture)

    def stages(self, network: Classifier) -> Stages:
        if isinstance(network, LibraryClassifier):
            return library_stages(network)
        if isinstance(network, ClassicalClassifier):
            return ()
        return stages_below("resnet", _resnet(network).resnet.stages)

    def continue_architecture(
        self, plan: Mapping[str, object], hyperparameters: ImageClassificationHyperparameters
    ) -> dict[str, object]:
        if plan.get("family") == classical_network.FAMILY:
            raise UserError("channel 'model' holds a baseline, which does not learn on: leave the channel out")
        return super().continue_architecture(plan, hyperparameters)

    def embed(self, network: Classifier, images: Tensor) -> Tensor:
        return network.embed(images)

    def fit_baseline(
        self, images: np.ndarray, targets: Tensor, hyperparameters: ImageClassificationHyperparameters, seed: int
    ) -> tuple[AnyArchitecture, Classifier, Table]:
        # scikit-learn, which only this needs, is an extra.
        from vision.algorithms.image_classification.classical_fit import fit_classical

        network, table = fit_classical(images, targets.numpy(), hyperparameters.num_classes, seed)
        return network.architecture, network, table

    def untrained_baseline(self, hyperparameters: ImageClassificationHyperparameters) -> Classifier:
        return ClassicalClassifier(
            ClassicalArchitecture(
                num_classes=hyperparameters.num_classes,
                kinds=tuple(FEATURES),
                num_words=0,
                num_features=1,
                classifier="linear",
            )
        )

    def task(
        self,
        network: Classifier,
        hyperparameters: ImageClassificationHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> ClassificationTask:
        # A server, which does not train, does without Lightning.
        from vision.algorithms.image_classification.task import ClassificationTask

        return ClassificationTask(network, hyperparameters, run, facts)

    def preprocessing(
        self, hyperparameters: ImageClassificationHyperparameters, architecture: AnyArchitecture
    ) -> dict[str, Any]:
        channels, height, width = architecture.image_shape
        return {
            "input": "uint8 RGB [N, 3, H, W], 0..255",
            "inference": {
                "resize": [height, width],
                "keep_aspect": False,
                "interpolation": "bilinear, no antialiasing",
            },
            "validation": {"resize_short_side": hyperparameters.resize, "center_crop": [height, width]},
            "channels": channels,
            "mean": list(architecture.mean),
            "std": list(architecture.std),
            "normalised_by": "the first layer of the network",
        }

    def export_heads(self, network: Classifier, hyperparameters: ImageClassificationHyperparameters) -> ExportHeads:
        if not isinstance(network, ImageClassifier | LibraryClassifier):
            raise UserError("A baseline cannot be exported: it measures features with OpenCV")
        return export_heads(network, network.architecture, multi_label=hyperparameters.multi_label)

    def predict(
        self,
        outputs: Tensor,
        network: Classifier,
        hyperparameters: ImageClassificationHyperparameters,
        sizes_px: Sequence[tuple[int, int]],
    ) -> list[Classification]:
        return classifications(outputs, multi_label=hyperparameters.multi_label)

    def describe_prediction(self, prediction: Classification, class_names: tuple[str, ...]) -> dict[str, Any]:
        return prediction.describe(class_names)

    def summarize(self, description: Mapping[str, Any]) -> str:
        if "labels" in description:
            return ", ".join(description["labels"]) or "none"
        return f"{description['label']} {description['score']:.1%}"

    def marks(self, description: Mapping[str, Any]) -> list[Mark]:
        return [Mark(", ".join(description.get("labels", [description["label"]])) or "none")]

    def respond(
        self, prediction: Classification, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> bytes:
        return json_bytes(respond(prediction, form, class_names))

    def scored_labels(self, prediction: Classification) -> list[ScoredLabel]:
        return prediction.scored_labels()

    def label_task(self, hyperparameters: ImageClassificationHyperparameters) -> Task:
        return "multi" if hyperparameters.multi_label else "single"

    def uncertainty(self, prediction: Classification) -> float:
        return prediction.uncertainty()

    def proposed_labels(self, prediction: Classification) -> list[ScoredLabel]:
        class_ids = prediction.class_ids if prediction.multi_label else (prediction.class_id,)
        return [ScoredLabel(class_id, float(prediction.probabilities[class_id])) for class_id in class_ids]

    def explain(
        self,
        evaluation: Evaluation,
        network: Classifier,
        hyperparameters: ImageClassificationHyperparameters,
        image_of: Callable[[int], np.ndarray | None],
    ) -> Evaluation:
        if not isinstance(network, ImageClassifier):
            return evaluation
        return with_explanations(evaluation, network, self.transform(hyperparameters, "validation"), image_of)

    def log_lines(
        self, hyperparameters: ImageClassificationHyperparameters, run: RunSettings, host: str
    ) -> ClassificationLogLines:
        return ClassificationLogLines(hyperparameters.to_strings(), run.backbone)


def _resnet(network: Classifier) -> ImageClassifier:
    assert isinstance(network, ImageClassifier), "there are two kinds of classifiers"
    return network


ALGORITHM = ImageClassification()
