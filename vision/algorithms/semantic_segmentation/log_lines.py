"""The lines that SageMaker's container prints for semantic segmentation. Source: logs of 2024 and 2025."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.training.log_lines import JSON_LINE, BatchReport, EpochReport, LogLines

_ALGORITHM = "AWS/Semantic Segmentation"


class SegmentationLogLines(LogLines):
    """``host`` is the machine's name in a SageMaker job; ``clock`` returns seconds since 1970, for the JSON lines."""

    def __init__(
        self, hyperparameters: SemanticSegmentationHyperparameters, host: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.hyperparameters = hyperparameters
        self.host = host
        self._clock = clock
        self._made_s = self._began_s = self._started_s = clock()
        self._epochs = self._batches = self._images = self._most_batches = self._most_images = 0

    def parameters(self) -> list[str]:
        given = self.hyperparameters
        updates = max(given.num_training_samples // given.mini_batch_size, 1)
        self._started_s = self._clock()
        return [
            f"LRScheduler setup: iters per epoch: {updates}, num_epochs {given.epochs}",
            self._json({"Meta": "init_train_data_iter"}, self._counts(0, 0)),
        ]

    def batch(self, report: BatchReport) -> list[str]:
        return [
            f"#progress_notice. epoch: {report.epoch}, iterations: {report.batches} "
            f"speed: {report.images_per_second:.5f} samples/sec learning_rate: {report.learning_rate:.6f}"
        ]

    def epoch_train(self, report: EpochReport) -> list[str]:
        epoch = self._epoch(report)
        return [
            f"#quality_metric. {epoch} train loss: {report.metrics['loss']} .",
            f"#throughput_metric. {epoch} train throughput: {report.images_per_second} samples/sec.",
        ]

    def validation_batch(self, epoch: int, batches: int, images_per_second: float) -> list[str]:
        return [f"#progress_notice. epoch: {epoch}, iterations: {batches} speed: {images_per_second:.5f} samples/sec"]

    def validation(self, report: EpochReport) -> list[str]:
        epoch = self._epoch(report)
        return [
            *(
                f"#quality_metric. {epoch} validation {name}: {report.metrics[name]} ."
                for name in ("pixel_accuracy", "mIOU")
            ),
            f"#throughput_metric. {epoch} validation throughput: {report.images_per_second} samples/sec.",
        ]

    def best_model(self, score: float) -> list[str]:
        # Theirs is silent, too.
        return []

    def checkpoint(self, path: Path | str) -> list[str]:
        return [f"Serializing model to {path}"]

    def epoch_end(self, report: EpochReport) -> list[str]:
        self._epochs += 1
        self._batches += report.batches
        self._images += report.images
        self._most_batches = max(self._most_batches, report.batches)
        self._most_images = max(self._most_images, report.images)
        percent = 100 * (report.epoch + 1) / report.epochs
        about = {"epoch": report.epoch, "Meta": "training_data_iter"}
        return [
            f"#progress_metric: host={self.host}, completed {percent} % of epochs",
            self._json(about, self._counts(report.batches, report.images)),
        ]

    def end(self) -> list[str]:
        setup_s, total_s = self._started_s - self._made_s, self._clock() - self._made_s
        self._began_s = self._made_s
        return [self._json({}, {"epochs": self._epochs, "setuptime": setup_s * 1e3, "totaltime": total_s * 1e3})]

    def _epoch(self, report: EpochReport) -> str:
        return f"host: {self.host}, epoch: {report.epoch},"

    def _counts(self, batches: int, images: int) -> dict[str, float]:
        """Return what the JSON lines say of an epoch of so many batches and images, and of all so far."""
        return {
            "Total Records Seen": self._images,
            "Total Batches Seen": self._batches,
            "Max Records Seen Between Resets": self._most_images,
            "Max Batches Seen Between Resets": self._most_batches,
            "Reset Count": self._epochs,
            "Number of Records Since Last Reset": images,
            "Number of Batches Since Last Reset": batches,
        }

    def _json(self, about: Mapping[str, object], figures: Mapping[str, float]) -> str:
        """Return a line of figures for the time since the last such line."""
        began_s, self._began_s = self._began_s, self._clock()
        line = {
            "StartTime": began_s,
            "EndTime": self._began_s,
            "Dimensions": {"Algorithm": _ALGORITHM, "Host": self.host, "Operation": "training", **about},
            "Metrics": {
                name: {"sum": float(value), "count": 1, "min": value, "max": value} for name, value in figures.items()
            },
        }
        return JSON_LINE + json.dumps(line)
