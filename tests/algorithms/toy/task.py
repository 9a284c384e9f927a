"""Trains and evaluates the toy. Legend: N batch, K classes, H and W the network's size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from vision.metrics.bootstrap import PlainWords
from vision.metrics.evaluation import Evaluation, Matrix, Table
from vision.training.task import TrainingTask

from .facts import IGNORED


class ToyTask(TrainingTask):
    """``outputs`` float32 [N, K, H, W], ``targets`` uint8 [N, H, W]."""

    def losses(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"cross_entropy": cross_entropy(outputs, targets.long(), ignore_index=IGNORED)}

    def training_sums(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"correct": (outputs.argmax(1) == targets).float().mean((1, 2)).sum()}

    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        return {"pixel_accuracy": sums["correct"] / num_images}

    def new_evaluator(self) -> ToyEvaluator:
        return ToyEvaluator(self.class_names)


class ToyEvaluator:
    """Collects the confusions int64 [K, K] of each image: rows are the truth."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self._parts: list[tuple[Tensor, Tensor]] = []

    def update(self, outputs: Tensor, targets: Tensor, indices: Tensor) -> None:
        num_classes = outputs.shape[1]
        cells = targets.long() * num_classes + outputs.argmax(1)
        cells = torch.where(targets == IGNORED, num_classes**2, cells).flatten(1)
        counts = one_hot(cells, num_classes**2 + 1).sum(1)[:, :-1]
        self._parts.append((indices, counts.unflatten(1, (num_classes, num_classes))))

    def arrays(self) -> dict[str, np.ndarray]:
        if not self._parts:
            return {}
        columns = [torch.cat(column).cpu().numpy() for column in zip(*self._parts, strict=True)]
        return dict(zip(("index", "confusions"), columns, strict=True))

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        counts = arrays["confusions"].sum(0)
        mean_iou, accuracy, *by_class = map(float, figures(counts))
        rows = tuple(zip(self.class_names, by_class, strict=True))
        return Evaluation(
            num_images=len(arrays["index"]),
            metrics={"mIoU": mean_iou, "pixel_accuracy": accuracy},
            class_names=self.class_names,
            tables=(Table("Per class", ("class", "IoU"), rows),),
            matrices=(Matrix("Pixels", self.class_names, self.class_names, counts),),
        )

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> ToyImageMetrics:
        return ToyImageMetrics(arrays["confusions"])


class ToyImageMetrics:
    """The figures of ``confusions`` int64 [n, K, K] for any weight of each image."""

    names: tuple[str, ...] = ("mIoU", "pixel_accuracy")
    class_metric = "IoU"
    words = PlainWords("Mean IoU is {figure} on {images}")

    def __init__(self, confusions: np.ndarray) -> None:
        self._confusions = confusions

    def values(self, weights: np.ndarray) -> np.ndarray:
        return figures(np.tensordot(weights, self._confusions, 1))


def figures(counts: np.ndarray) -> np.ndarray:
    """Return mean IoU, pixel accuracy and the IoU of each class, float64 [2 + K], of confusions [K, K]."""
    right = np.diag(counts)
    iou = right / np.maximum(counts.sum(0) + counts.sum(1) - right, 1)
    return np.array([iou.mean(), right.sum() / max(counts.sum(), 1), *iou])
