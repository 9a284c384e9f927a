"""The lines that SageMaker's container prints for object detection. Source: sagemaker-contract, section 2.5."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from vision.training.log_lines import BatchReport, EpochReport, LogLines


class DetectionLogLines(LogLines):
    """``host`` is the machine's name in a SageMaker job."""

    LOSSES = ("cross_entropy", "smooth_l1")

    def __init__(self, hyperparameters: Mapping[str, str], host: str) -> None:
        self.hyperparameters = hyperparameters
        self.host = host

    def parameters(self) -> list[str]:
        values = [f"{name}: {value}" for name, value in self.hyperparameters.items()]
        return ["---- Parameters ----", *values, "--------------------"]

    def batch(self, report: BatchReport) -> list[str]:
        place = f"#quality_metric: host={self.host}, epoch={report.epoch}, batch={report.batches}"
        losses = [
            f"{place} train {name} <loss>={report.metrics[name]:.6g}" for name in self.LOSSES if name in report.metrics
        ]
        return [
            *losses,
            f"Epoch: {report.epoch:4d}, batches: {report.batches:6d}, num_examples: {report.images:6d}, "
            f"{report.images_per_second:.1f} samples/sec, "
            f"epoch time so far:  {timedelta(seconds=report.seconds)}",
        ]

    def epoch_train(self, report: EpochReport) -> list[str]:
        percent = 100 * (report.epoch + 1) // report.epochs
        return [
            f"#progress_metric: host={self.host}, completed {percent} % of epochs",
            f"#throughput_metric: host={self.host}, "
            f"train throughput={round(report.images_per_second, 2)} records/second",
        ]

    def validation(self, report: EpochReport) -> list[str]:
        score = report.metrics["mAP"]
        return [f"#quality_metric: host={self.host}, epoch={report.epoch}, validation mAP <score>=({score:.6g})"]

    def best_model(self, score: float) -> list[str]:
        return [f"Updating the best model with validation-mAP={score:.6g}"]
