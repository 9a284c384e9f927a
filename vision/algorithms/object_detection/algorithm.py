"""Object detection: SageMaker's built-in algorithm, SSD on VGG-16 or a ResNet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from vision.algorithms.algorithm import Algorithm, LabeledChannel, Mark, ScoredLabel, Stage, TargetSummary
from vision.algorithms.facts import AlgorithmFacts
from vision.algorithms.json_answer import json_bytes
from vision.algorithms.object_detection.architecture import Architecture, architecture_for, read_architecture
from vision.algorithms.object_detection.evaluation import detection_settings
from vision.algorithms.object_detection.export import export_heads
from vision.algorithms.object_detection.facts import FACTS
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.log_lines import DetectionLogLines
from vision.algorithms.object_detection.network import SSD, SSDOutput, build_network, is_head, load_pretrained
from vision.algorithms.object_detection.predictions import detect
from vision.algorithms.object_detection.response import PROPOSED_SCORE, ImageDetections, image_detections, respond
from vision.algorithms.object_detection.target_summary import summarize_labels
from vision.algorithms.object_detection.targets import (
    BoxLabelParser,
    DetectionTarget,
    PaddedTargets,
    collate_targets,
    numbered_boxes,
    selected_objects,
)
from vision.algorithms.object_detection.transforms import PlainResize, SSDAugmentation, build_transform
from vision.artifacts.export import ExportHeads
from vision.data.augmentations.augmentation import SpatialTarget
from vision.nn.stages import Stages, stages_below
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.algorithms.object_detection.task import DetectionTask
    from vision.training.task import TrainingFacts


class ObjectDetection(
    Algorithm[ObjectDetectionHyperparameters, Architecture, SSD, SSDOutput, DetectionTarget, ImageDetections]
):
    """Ties the files of this folder together."""

    facts: ClassVar[AlgorithmFacts] = FACTS

    def summarize_targets(
        self, source: LabeledChannel, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings
    ) -> TargetSummary:
        parser = self.target_decoder(source, hyperparameters, run)
        return summarize_labels(source.reader, parser, hyperparameters.label_width)

    def target_decoder(
        self, source: LabeledChannel, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings
    ) -> BoxLabelParser:
        return BoxLabelParser(hyperparameters.num_classes, run.bad_boxes)

    def transform(self, hyperparameters: ObjectDetectionHyperparameters, stage: Stage) -> SSDAugmentation | PlainResize:
        return build_transform(hyperparameters, stage)

    def spatial_target(self, target: DetectionTarget) -> SpatialTarget:
        return SpatialTarget(numbered_boxes(target))

    def moved_target(self, target: DetectionTarget, moved: SpatialTarget) -> DetectionTarget:
        assert moved.boxes_xyxy_unit is not None
        return selected_objects(target, moved.boxes_xyxy_unit)

    def class_ids(self, target: DetectionTarget) -> np.ndarray:
        return np.unique(target.labels)

    def collate_targets(self, targets: list[DetectionTarget]) -> PaddedTargets:
        return collate_targets(targets)

    def architecture(
        self, hyperparameters: ObjectDetectionHyperparameters, backbone: str | None = None
    ) -> Architecture:
        return architecture_for(hyperparameters)

    def read_architecture(self, plan: Mapping[str, object]) -> Architecture:
        return read_architecture(plan)

    def continue_architecture(
        self, plan: Mapping[str, object], hyperparameters: ObjectDetectionHyperparameters
    ) -> dict[str, object]:
        continued = super().continue_architecture(plan, hyperparameters)
        if plan.get("image_shape") == hyperparameters.image_shape:
            return continued
        return self.read_architecture(continued).with_image_shape(hyperparameters.image_shape).model_dump()

    def build_network(self, architecture: Architecture) -> SSD:
        return build_network(architecture)

    def load_pretrained(self, network: SSD, architecture: Architecture, weights_folder: Path | None) -> str:
        return load_pretrained(network, weights_folder)

    def is_head(self, parameter: str, architecture: Architecture) -> bool:
        return is_head(parameter)

    def stages(self, network: SSD) -> Stages:
        return stages_below("base", network.base.stages)

    def embed(self, network: SSD, images: Tensor) -> Tensor:
        return network.embed(images)

    def task(
        self, network: SSD, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings, facts: TrainingFacts
    ) -> DetectionTask:
        # A server, which does not train, does without Lightning.
        from vision.algorithms.object_detection.task import DetectionTask

        return DetectionTask(network, hyperparameters, run, facts)

    def preprocessing(
        self, hyperparameters: ObjectDetectionHyperparameters, architecture: Architecture
    ) -> dict[str, Any]:
        side = architecture.image_shape
        return {
            "input": "uint8 RGB [N, 3, H, W], 0..255",
            "inference": {"resize": [side, side], "keep_aspect": False, "interpolation": "bilinear"},
            "channels": 3,
            "mean": list(architecture.mean),
            "std": list(architecture.std),
            "normalised_by": "the first layer of the network",
        }

    def export_heads(self, network: SSD, hyperparameters: ObjectDetectionHyperparameters) -> ExportHeads:
        return export_heads(network, detection_settings(hyperparameters))

    def predict(
        self,
        outputs: SSDOutput,
        network: SSD,
        hyperparameters: ObjectDetectionHyperparameters,
        sizes_px: Sequence[tuple[int, int]],
    ) -> list[ImageDetections]:
        found = detect(
            outputs.class_logits,
            outputs.box_offsets,
            network.anchors.boxes_xyxy_unit,
            detection_settings(hyperparameters),
        )
        return image_detections(found)

    def describe_prediction(self, prediction: ImageDetections, class_names: tuple[str, ...]) -> dict[str, Any]:
        return prediction.describe(class_names)

    def summarize(self, description: Mapping[str, Any]) -> str:
        counts = Counter(found["label"] for found in description["objects"])
        return ", ".join(f"{count} {label}" for label, count in counts.items()) or "nothing"

    def marks(self, description: Mapping[str, Any]) -> list[Mark]:
        return [Mark(found["label"], f"{found['score']:.0%}", tuple(found["box"])) for found in description["objects"]]

    def respond(
        self, prediction: ImageDetections, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> bytes:
        return json_bytes(respond(prediction, form, size_px, class_names))

    def scored_labels(self, prediction: ImageDetections) -> list[ScoredLabel]:
        return prediction.scored_labels()

    def uncertainty(self, prediction: ImageDetections) -> float:
        return prediction.uncertainty()

    def proposed_labels(self, prediction: ImageDetections) -> list[ScoredLabel]:
        return prediction.at_least(PROPOSED_SCORE).scored_labels()

    def log_lines(
        self, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings, host: str
    ) -> DetectionLogLines:
        return DetectionLogLines(hyperparameters.to_strings(), host)


ALGORITHM = ObjectDetection()
