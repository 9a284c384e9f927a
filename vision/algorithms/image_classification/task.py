"""Trains and evaluates a classifier. Legend: N batch, K classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.loss import (
    binary_cross_entropy,
    cross_entropy,
    positive_weights,
)
from vision.algorithms.image_classification.predictions import probabilities_of
from vision.metrics.bootstrap import ImageMetrics
from vision.metrics.classification import evaluation_of_classification
from vision.metrics.evaluation import Evaluation
from vision.metrics.image_weights import WeightedClassification, WeightedMultiLabel
from vision.settings.run import RunSettings
from vision.training.class_weights import class_weights
from vision.training.task import TrainingFacts, TrainingTask


class ClassificationTask(TrainingTask):
    """Softmax cross-entropy with accuracy and top-k, or with ``multi_label`` sigmoids with averaged accuracy."""

    hyperparameters: ImageClassificationHyperparameters
    positive_weights: Tensor | None
    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        hyperparameters: ImageClassificationHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> None:
        super().__init__(network, hyperparameters, run, facts)
        weights = None
        if hyperparameters.use_weighted_loss and facts.class_counts is not None:
            weights = positive_weights(facts.class_counts, facts.num_samples)
        self.register_buffer("positive_weights", weights, persistent=False)
        balance = class_weights("run.class_weights", run.class_weights, hyperparameters.num_classes, facts.class_counts)
        self.register_buffer("class_weights", balance, persistent=False)

    def losses(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        smoothing = self.run.label_smoothing
        if self.hyperparameters.multi_label:
            return {"binary_cross_entropy": binary_cross_entropy(outputs, targets, self.positive_weights, smoothing)}
        return {"cross_entropy": cross_entropy(outputs, targets, self.class_weights, smoothing)}

    def soft_targets(self, targets: Tensor) -> Tensor:
        if self.hyperparameters.multi_label:
            return targets
        return one_hot(targets, self.hyperparameters.num_classes).float()

    def training_sums(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        if self.hyperparameters.multi_label:
            return {"correct": ((outputs > 0) == (targets > 0.5)).float().mean(dim=1).sum()}
        if targets.ndim == 2:
            # Of mixed images the label with the larger share counts.
            targets = targets.argmax(dim=1)
        sums = {"correct": (outputs.argmax(dim=1) == targets).sum()}
        if self.hyperparameters.top_k:
            best = outputs.topk(self.hyperparameters.top_k, dim=1).indices
            sums["top_k_correct"] = (best == targets[:, None]).any(dim=1).sum()
        return sums

    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        metrics = {"accuracy": sums["correct"] / num_images}
        if "top_k_correct" in sums:
            metrics[f"top_k_accuracy_{self.hyperparameters.top_k}"] = sums["top_k_correct"] / num_images
        return metrics

    def new_evaluator(self) -> ClassificationEvaluator:
        return ClassificationEvaluator(self.hyperparameters, self.class_names, self.key_of, self.thresholds)


class ClassificationEvaluator:
    """Collects probabilities float32 [n,K] and targets of all images."""

    def __init__(
        self,
        hyperparameters: ImageClassificationHyperparameters,
        class_names: tuple[str, ...],
        key_of: Callable[[int], str],
        thresholds: Sequence[float | None] | None,
    ) -> None:
        self.hyperparameters = hyperparameters
        self.class_names = class_names
        self.key_of = key_of
        self.thresholds = thresholds
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, outputs: Tensor, targets: Tensor, indices: Tensor) -> None:
        probabilities = probabilities_of(outputs, multi_label=self.hyperparameters.multi_label)
        self._parts.append((indices, probabilities, targets))

    def arrays(self) -> dict[str, np.ndarray]:
        if not self._parts:
            return {}
        columns = [torch.cat(column).cpu().numpy() for column in zip(*self._parts, strict=True)]
        return dict(zip(("index", "probabilities", "targets"), columns, strict=True))

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        indices = arrays["index"]
        return evaluation_of_classification(
            arrays["probabilities"],
            arrays["targets"],
            self.class_names,
            top_k=self.hyperparameters.top_k,
            multi_label=self.hyperparameters.multi_label,
            indices=indices,
            keys=self.key_of,
            thresholds=self.thresholds,
        )

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> ImageMetrics:
        probabilities, targets = arrays["probabilities"], arrays["targets"]
        if self.hyperparameters.multi_label:
            return WeightedMultiLabel(probabilities, targets > 0.5)
        return WeightedClassification(probabilities, targets, self.hyperparameters.top_k)
