"""Image classification: SageMaker's built-in algorithm on ResNets, from scratch, pretrained or continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vision.algorithms.algorithm import Algorithm, Objective, Stage, TargetSummary
from vision.settings.channels import Channel
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vision.algorithms.finding import Finding
    from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
    from vision.algorithms.image_classification.network import Architecture, ImageClassifier
    from vision.algorithms.image_classification.predictions import Classification
    from vision.algorithms.image_classification.targets import LabelDecoder
    from vision.algorithms.image_classification.task import ClassificationTask
    from vision.algorithms.image_classification.transforms import ClassificationTransform
    from vision.artifacts.export_heads import ExportHeads
    from vision.data.labels import Task
    from vision.data.sample import Reader
    from vision.metrics.evaluation import Evaluation
    from vision.training.log_lines import ClassificationLogLines


class ImageClassification(Algorithm):
    """Ties the files of this folder together."""

    name: ClassVar[str] = "image_classification"
    title: ClassVar[str] = "Image Classification"
    image_name: ClassVar[str] = "image-classification"
    objective: ClassVar[Objective] = Objective("accuracy", "validation:accuracy")
    label_tasks: ClassVar[tuple[Task, ...]] = ("single", "multi")
    response_forms: ClassVar[tuple[str, ...]] = (
        "application/json",
        "application/jsonlines",
        "application/json;verbose",
        "application/jsonlines;verbose",
    )
    must_match: ClassVar[tuple[str, ...]] = ("num_layers", "image_shape", "num_classes", "multi_label")
    measured_by: ClassVar[tuple[str, ...]] = ("multi_label",)

    @property
    def hyperparameters(self) -> type[ImageClassificationHyperparameters]:
        from vision.algorithms.image_classification.hyperparameters import HYPERPARAMETERS

        return HYPERPARAMETERS

    def summarise_targets(
        self,
        reader: Reader,
        channel: Channel,
        hyperparameters: ImageClassificationHyperparameters,
        run: RunSettings,
    ) -> TargetSummary:
        from vision.algorithms.image_classification.target_summary import summarise

        return summarise(reader, self.target_decoder(channel, hyperparameters, run))

    def needs_label_counts(self, hyperparameters: ImageClassificationHyperparameters) -> bool:
        return bool(hyperparameters.use_weighted_loss)

    def target_decoder(
        self, channel: Channel, hyperparameters: ImageClassificationHyperparameters, run: RunSettings
    ) -> LabelDecoder:
        from vision.algorithms.image_classification.targets import LabelDecoder

        return LabelDecoder(hyperparameters.num_classes, hyperparameters.multi_label)

    def transform(self, hyperparameters: ImageClassificationHyperparameters, stage: Stage) -> ClassificationTransform:
        from vision.algorithms.image_classification.transforms import build_transform

        return build_transform(hyperparameters, stage)

    def collate_targets(self, targets: list[Any]) -> Tensor:
        import numpy as np
        import torch

        return torch.from_numpy(np.stack(targets))

    def architecture(self, hyperparameters: ImageClassificationHyperparameters) -> Architecture:
        from vision.algorithms.image_classification.network import architecture_for

        return architecture_for(hyperparameters)

    def read_architecture(self, plan: Mapping[str, Any]) -> Architecture:
        from vision.algorithms.image_classification.network import read_architecture

        return read_architecture(plan)

    def build_network(self, architecture: Architecture) -> ImageClassifier:
        from vision.algorithms.image_classification.network import build_network

        return build_network(architecture)

    def load_pretrained(self, network: ImageClassifier, architecture: Architecture, weights_folder: Path | None) -> str:
        from vision.algorithms.image_classification.network import load_pretrained

        return load_pretrained(network, weights_folder)

    def is_head(self, parameter: str, architecture: Architecture) -> bool:
        from vision.algorithms.image_classification.network import is_head

        return is_head(parameter, architecture)

    def task(
        self,
        network: ImageClassifier,
        hyperparameters: ImageClassificationHyperparameters,
        run: RunSettings,
        class_names: tuple[str, ...],
        **facts: Any,
    ) -> ClassificationTask:
        from vision.algorithms.image_classification.task import ClassificationTask

        return ClassificationTask(network, hyperparameters, run, class_names=class_names, **facts)

    def preprocessing(
        self, hyperparameters: ImageClassificationHyperparameters, architecture: Architecture
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

    def predict(
        self, outputs: Tensor, network: ImageClassifier, hyperparameters: ImageClassificationHyperparameters
    ) -> list[Classification]:
        from vision.algorithms.image_classification.predictions import classifications

        return classifications(outputs, multi_label=hyperparameters.multi_label)

    def describe_prediction(self, prediction: Classification, class_names: tuple[str, ...]) -> dict[str, Any]:
        return prediction.describe(class_names)

    def respond(
        self, prediction: Classification, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> Any:
        from vision.algorithms.image_classification.response import respond

        return respond(prediction, form, class_names)

    def findings(self, prediction: Classification) -> list[Finding]:
        return prediction.findings()

    def explain(
        self,
        evaluation: Evaluation,
        network: ImageClassifier,
        hyperparameters: ImageClassificationHyperparameters,
        image_of: Callable[[int], np.ndarray | None],
    ) -> Evaluation:
        from vision.algorithms.image_classification.explanation import with_explanations

        return with_explanations(evaluation, network, self.transform(hyperparameters, "validation"), image_of)

    def export_heads(
        self, network: ImageClassifier, hyperparameters: ImageClassificationHyperparameters
    ) -> ExportHeads:
        from vision.algorithms.image_classification.export import export_heads

        return export_heads(network, multi_label=hyperparameters.multi_label)

    def log_lines(self, hyperparameters: ImageClassificationHyperparameters, host: str) -> ClassificationLogLines:
        from vision.training.log_lines import ClassificationLogLines

        return ClassificationLogLines(hyperparameters.to_strings())


ALGORITHM = ImageClassification()
