"""The lines that SageMaker's container prints for semantic segmentation. Source: logs of 2024 and 2025."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.training.log_lines import BatchReport, EpochReport, LogLines


class SegmentationLogLines(LogLines):
    """``host`` is the machine's name in a SageMaker job."""

    def __init__(self, hyperparameters: SemanticSegmentationHyperparameters, host: str) -> None:
        self.hyperparameters = hyperparameters
        self.host = host

    def parameters(self) -> list[str]:
        given = self.hyperparameters
        updates = max(given.num_training_samples // given.mini_batch_size, 1)
        return [
            f"Final configuration: {given.to_strings()}",
            f"LRScheduler setup: iters per epoch: {updates}, num_epochs {given.epochs}",
        ]

    def batch(self, report: BatchReport) -> list[str]:
        return [
            f"#progress_notice. epoch: {report.epoch}, iterations: {report.batches} "
            f"speed: {report.images_per_second:.5f} samples/sec learning_rate: {report.learning_rate:.6f}"
        ]

    def epoch_train(self, report: EpochReport) -> list[str]:
        percent = 100 * (report.epoch + 1) / report.epochs
        epoch = f"host: {self.host}, epoch: {report.epoch},"
        return [
            f"#quality_metric. {epoch} train loss: {report.metrics['loss']} .",
            f"#throughput_metric. {epoch} train throughput: {report.images_per_second} samples/sec.",
            f"#progress_metric: host={self.host}, completed {percent} % of epochs",
        ]

    def validation(self, epoch: int, metrics: Mapping[str, float]) -> list[str]:
        names = ("pixel_accuracy", "mIOU")
        return [
            f"#quality_metric. host: {self.host}, epoch: {epoch}, validation {name}: {metrics[name]} ."
            for name in names
        ]

    def best_model(self, score: float) -> list[str]:
        # Theirs is silent, too.
        return []

    def checkpoint(self, path: Path | str) -> list[str]:
        return [f"Serializing model to {path}"]
