"""Trains and evaluates a detector. Legend: N batch, A anchors, M objects of an image, at most."""

from __future__ import annotations

from torch import Tensor

from vision.algorithms.object_detection.anchor_statistics import AnchorStatistics
from vision.algorithms.object_detection.evaluation import DetectionEvaluator
from vision.algorithms.object_detection.freezing import freeze
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import SSD, SSDOutput
from vision.algorithms.object_detection.targets import PaddedTargets
from vision.settings.run import RunSettings
from vision.training.task import TrainingFacts, TrainingTask


class DetectionTask(TrainingTask):
    """SSD's two losses, and mAP after every epoch."""

    hyperparameters: ObjectDetectionHyperparameters
    network: SSD

    def __init__(
        self,
        network: SSD,
        hyperparameters: ObjectDetectionHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> None:
        super().__init__(network, hyperparameters, run, facts)
        self.matcher = MatcherSettings()
        self.statistics = AnchorStatistics(
            network.anchor_boxes.cpu().numpy(), network.architecture.image_shape, self.matcher.overlap_threshold
        )

    def setup(self, stage: str) -> None:
        # Before the optimizer collects parameters and before processes agree on their gradients.
        if stage == "fit" and self.hyperparameters.freeze_layer_pattern is not None:
            freeze(self.network, self.hyperparameters.freeze_layer_pattern)

    def losses(self, outputs: SSDOutput, targets: PaddedTargets) -> dict[str, Tensor]:
        return multibox_loss(
            outputs.class_logits,
            outputs.box_offsets,
            self.network.anchors,
            targets.boxes_xyxy_unit,
            targets.labels,
            self.matcher,
        )

    def training_sums(self, outputs: SSDOutput, targets: PaddedTargets) -> dict[str, Tensor]:
        return {}

    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        return {}

    @property
    def loss_names(self) -> tuple[str, ...]:
        return ("cross_entropy", "smooth_l1")

    def new_evaluator(self) -> DetectionEvaluator:
        return DetectionEvaluator(
            self.network.anchors.boxes_xyxy_unit,
            self.hyperparameters,
            self.class_names,
            self.key_of,
            self.statistics,
            self.thresholds,
        )
