"""Trains and evaluates a segmentation network. Legend: N batch, C classes, H and W in pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.semantic_segmentation.evaluation import SegmentationEvaluator
from vision.algorithms.semantic_segmentation.hyperparameters import (
    BALANCED,
    SemanticSegmentationHyperparameters,
)
from vision.algorithms.semantic_segmentation.loss import IGNORED, segmentation_losses
from vision.algorithms.semantic_segmentation.network import SegmentationNetwork, SegmentationOutput
from vision.metrics.evaluation import Evaluation
from vision.settings.errors import UserError
from vision.settings.run import RunSettings
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
        self.register_buffer("class_weights", _class_weights(hyperparameters, facts.class_counts), persistent=False)

    def losses(self, outputs: SegmentationOutput, targets: Tensor) -> dict[str, Tensor]:
        return segmentation_losses(outputs, targets, self.hyperparameters.aux_weight, self.class_weights)

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


def _class_weights(hyperparameters: SemanticSegmentationHyperparameters, counts: np.ndarray | None) -> Tensor | None:
    """Return what the loss of each class counts, float32 [C]; None where all count the same.

    Balanced: the median share of pixels of the classes that occur over the class's own (Eigen and Fergus 2015); a
    class that never occurs counts 0.
    """
    given = hyperparameters.given_class_weights
    if given is not None:
        # Not a rule of the settings, which are checked before classes are counted.
        if len(given) != hyperparameters.num_classes:
            raise UserError(
                f"hp.class_weights has {len(given)} numbers, but hp.num_classes is {hyperparameters.num_classes}: give"
                " one for each class, the background's too"
            )
        return torch.tensor(given, dtype=torch.float32)
    if hyperparameters.class_weights != BALANCED or counts is None:
        return None
    occurs = counts > 0
    middle = np.median(counts[occurs]) if occurs.any() else 0.0
    weights = np.divide(middle, counts, out=np.zeros(len(counts)), where=occurs)
    return torch.from_numpy(weights.astype(np.float32))
