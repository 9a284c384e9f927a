"""Trains and evaluates a segmentation network. Legend: N batch, C classes, H and W in pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.semantic_segmentation.evaluation import SegmentationEvaluator
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.loss import IGNORED, segmentation_losses
from vision.algorithms.semantic_segmentation.network import SegmentationNetwork, SegmentationOutput
from vision.metrics.evaluation import Evaluation
from vision.settings.run import RunSettings
from vision.training.class_weights import class_weights
from vision.training.task import TrainingFacts, TrainingTask


class SegmentationTask(TrainingTask):
    """The losses of the decoder and the auxiliary head, and mIOU after every epoch."""

    hyperparameters: SemanticSegmentationHyperparameters
    network: SegmentationNetwork
    class_weights: Tensor | None

    def __init__(
        self,
        network: SegmentationNetwork,
        hyperparameters: SemanticSegmentationHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> None:
        super().__init__(network, hyperparameters, run, facts)
        hp = hyperparameters
        weights = class_weights("hp.class_weights", hp.class_weights, hp.num_classes, facts.class_counts)
        self.register_buffer("class_weights", weights, persistent=False)

    def losses(self, outputs: SegmentationOutput, targets: Tensor) -> dict[str, Tensor]:
        auxiliary_weight, smoothing = self.hyperparameters.aux_weight, self.run.label_smoothing
        return segmentation_losses(outputs, targets, auxiliary_weight, self.class_weights, smoothing)

    @torch.no_grad()
    def training_sums(self, outputs: SegmentationOutput, targets: Tensor) -> dict[str, Tensor]:
        valid = targets != IGNORED
        return {"correct_pixels": ((outputs.logits.argmax(1) == targets) & valid).sum(), "valid_pixels": valid.sum()}

    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        return {"pixel_accuracy": sums["correct_pixels"] / max(sums["valid_pixels"], 1)}

    @property
    def loss_names(self) -> tuple[str, ...]:
        return ("cross_entropy", "auxiliary") if self.hyperparameters.aux_loss else ()

    def new_evaluator(self) -> SegmentationEvaluator:
        return _MeasuredEvaluator(measured_on(self.hyperparameters), self.class_names, self.key_of)


class _MeasuredEvaluator(SegmentationEvaluator):
    """Says with the figures what of the images they were measured on."""

    def __init__(self, note: str, class_names: tuple[str, ...], key_of: Callable[[int], str]) -> None:
        super().__init__(class_names, key_of)
        self.note = note

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        found = super().evaluate(arrays)
        return replace(found, notes=(*found.notes, self.note))


def measured_on(hyperparameters: SemanticSegmentationHyperparameters) -> str:
    """Return a sentence that says what of the images the figures rest on."""
    if hyperparameters.validates_whole_images:
        return "Measured on whole images, as an endpoint answers them (validation_mini_batch_size=1)."
    side = hyperparameters.crop_px
    return (
        f"mIOU and pixel_accuracy are measured as SageMaker does: the short side of each image scaled to {side} pixels,"
        f" of which the {side} x {side} in the center count. An endpoint answers whole images: see whole_images_mIOU."
    )
