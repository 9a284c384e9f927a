"""Object detection: SageMaker's built-in algorithm, SSD on VGG-16 or a ResNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vision.algorithms.algorithm import Algorithm, Objective, Stage, TargetSummary
from vision.settings.channels import Channel
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.algorithms.finding import Finding
    from vision.algorithms.object_detection.architecture import Architecture
    from vision.algorithms.object_detection.box_decoder import BoxDecoder
    from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
    from vision.algorithms.object_detection.image_detections import ImageDetections
    from vision.algorithms.object_detection.network import SSD, SSDOutput
    from vision.algorithms.object_detection.targets import DetectionTarget, PaddedTargets
    from vision.algorithms.object_detection.task import DetectionTask
    from vision.algorithms.object_detection.transforms import PlainResize, SSDAugmentation
    from vision.artifacts.export_heads import ExportHeads
    from vision.data.labels import Task
    from vision.data.sample import Reader
    from vision.training.log_lines import DetectionLogLines


class ObjectDetection(Algorithm):
    """Ties the files of this folder together."""

    name: ClassVar[str] = "object_detection"
    title: ClassVar[str] = "Object Detection"
    image_name: ClassVar[str] = "object-detection"
    objective: ClassVar[Objective] = Objective("mAP", "validation:mAP")
    must_match: ClassVar[tuple[str, ...]] = ("base_network", "num_classes")
    label_tasks: ClassVar[tuple[Task, ...]] = ("boxes",)
    response_forms: ClassVar[tuple[str, ...]] = (
        "application/json",
        "application/jsonlines",
        "application/json;annotation=1",
        "application/json;verbose",
        "application/jsonlines;verbose",
        "application/json;annotation=1;verbose",
    )

    @property
    def hyperparameters(self) -> type[ObjectDetectionHyperparameters]:
        from vision.algorithms.object_detection.hyperparameters import HYPERPARAMETERS

        return HYPERPARAMETERS

    def summarise_targets(
        self, reader: Reader, channel: Channel, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings
    ) -> TargetSummary:
        from vision.algorithms.object_detection.target_summary import summarise

        decoder = self.target_decoder(channel, hyperparameters, run)
        return summarise(reader, decoder, hyperparameters.label_width)

    def target_decoder(
        self, channel: Channel, hyperparameters: ObjectDetectionHyperparameters, run: RunSettings
    ) -> BoxDecoder:
        from vision.algorithms.object_detection.box_decoder import BoxDecoder

        return BoxDecoder(hyperparameters.num_classes, run.bad_boxes)

    def transform(self, hyperparameters: ObjectDetectionHyperparameters, stage: Stage) -> SSDAugmentation | PlainResize:
        from vision.algorithms.object_detection.transforms import build_transform

        return build_transform(hyperparameters, stage)

    def collate_targets(self, targets: list[DetectionTarget]) -> PaddedTargets:
        from vision.algorithms.object_detection.targets import collate_targets

        return collate_targets(targets)

    def architecture(self, hyperparameters: ObjectDetectionHyperparameters) -> Architecture:
        from vision.algorithms.object_detection.architecture import architecture_for

        return architecture_for(hyperparameters)

    def read_architecture(self, plan: Mapping[str, Any]) -> Architecture:
        from vision.algorithms.object_detection.architecture import read_architecture

        return read_architecture(plan)

    def continue_architecture(
        self, plan: Mapping[str, Any], hyperparameters: ObjectDetectionHyperparameters
    ) -> dict[str, Any]:
        continued = super().continue_architecture(plan, hyperparameters)
        if plan.get("image_shape") == hyperparameters.image_shape:
            return continued
        return self.read_architecture(continued).with_image_shape(hyperparameters.image_shape).model_dump()

    def build_network(self, architecture: Architecture) -> SSD:
        from vision.algorithms.object_detection.network import build_network

        return build_network(architecture)

    def load_pretrained(self, network: SSD, architecture: Architecture, weights_folder: Path | None) -> str:
        from vision.algorithms.object_detection.network import load_pretrained

        return load_pretrained(network, weights_folder)

    def is_head(self, parameter: str, architecture: Architecture) -> bool:
        from vision.algorithms.object_detection.network import is_head

        return is_head(parameter)

    def task(
        self,
        network: SSD,
        hyperparameters: ObjectDetectionHyperparameters,
        run: RunSettings,
        class_names: tuple[str, ...],
        **facts: Any,
    ) -> DetectionTask:
        from vision.algorithms.object_detection.task import DetectionTask

        return DetectionTask(network, hyperparameters, run, class_names=class_names, **facts)

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

    def predict(
        self, outputs: SSDOutput, network: SSD, hyperparameters: ObjectDetectionHyperparameters
    ) -> list[ImageDetections]:
        from vision.algorithms.object_detection.evaluation import detection_settings
        from vision.algorithms.object_detection.image_detections import image_detections
        from vision.algorithms.object_detection.predictions import detect

        found = detect(
            outputs.class_logits,
            outputs.box_offsets,
            network.anchors.boxes_xyxy_unit,
            detection_settings(hyperparameters),
        )
        return image_detections(found)

    def describe_prediction(self, prediction: ImageDetections, class_names: tuple[str, ...]) -> dict[str, Any]:
        return prediction.describe(class_names)

    def respond(
        self, prediction: ImageDetections, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> dict[str, Any]:
        from vision.algorithms.object_detection.response import respond

        return respond(prediction, form, size_px, class_names)

    def findings(self, prediction: ImageDetections) -> list[Finding]:
        return prediction.findings()

    def export_heads(self, network: SSD, hyperparameters: ObjectDetectionHyperparameters) -> ExportHeads:
        from vision.algorithms.object_detection.evaluation import detection_settings
        from vision.algorithms.object_detection.export import export_heads

        return export_heads(network, detection_settings(hyperparameters))

    def log_lines(self, hyperparameters: ObjectDetectionHyperparameters, host: str) -> DetectionLogLines:
        from vision.training.log_lines import DetectionLogLines

        return DetectionLogLines(hyperparameters.to_strings(), host)


ALGORITHM = ObjectDetection()
