"""The lines that SageMaker's container prints for image classification. Source: sagemaker-contract, section 1.4."""

from __future__ import annotations

from collections.abc import Mapping

from vision.training.log_lines import BatchReport, EpochReport, LogLines

BEST_MODEL_SENTENCE = "checkpoint_frequency not set, will store the best model"


class ClassificationLogLines(LogLines):
    """``hyperparameters`` are strings by name, without those that are not set.

    ``backbone`` is the network of another library, whose depth ``num_layers`` does not say.
    """

    # Label in the log, hyperparameter it shows, and what stands there if that is not set (None: no line).
    PARAMETERS: tuple[tuple[str, str, str | None], ...] = (
        ("num_layers", "num_layers", None),
        ("data type", "precision_dtype", None),
        ("epochs", "epochs", None),
        ("image resize size", "resize", None),
        ("optimizer", "optimizer", None),
        ("momentum", "momentum", None),
        ("weight_decay", "weight_decay", None),
        ("learning_rate", "learning_rate", None),
        ("num_training_samples", "num_training_samples", None),
        ("mini_batch_size", "mini_batch_size", None),
        ("image_shape", "image_shape", None),
        ("num_classes", "num_classes", None),
        ("augmentation_type", "augmentation_type", "None"),
        ("kv_store", "kv_store", "device"),
        ("top_k", "top_k", None),
        ("checkpoint_frequency", "checkpoint_frequency", None),
    )

    def __init__(self, hyperparameters: Mapping[str, str], backbone: str | None = None) -> None:
        self.hyperparameters = hyperparameters
        self.backbone = backbone
        top_k = hyperparameters.get("top_k")
        self.metric_names = ("accuracy", f"top_k_accuracy_{top_k}") if top_k else ("accuracy",)

    def parameters(self) -> list[str]:
        given = self.hyperparameters
        pretrained = given.get("use_pretrained_model", "0")
        lines = [f"use_pretrained_model: {pretrained}", f"multi_label: {given.get('multi_label', '0')}"]
        if pretrained == "1":
            lines.append("Using pretrained model for initializing weights and transfer learning.")
        lines.append("---- Parameters ----")
        for label, name, unset in self.PARAMETERS:
            value = given.get(name, unset)
            if name == "num_layers" and self.backbone is not None:
                lines.append(f"backbone: {self.backbone}")
            elif value is not None:
                lines.append(f"{label}: {_numpy_class(value) if label == 'data type' else value}")
        if "checkpoint_frequency" not in given:
            lines.append(BEST_MODEL_SENTENCE)
        return [*lines, "--------------------"]

    def batch(self, report: BatchReport) -> list[str]:
        metrics = "".join(f"\t{name}={value:f}" for name, value in self._known(report.metrics))
        speed = f"{report.images_per_second:.2f} samples/sec"
        return [f"Epoch[{report.epoch}] Batch [{report.batches}]\tSpeed: {speed}{metrics}"]

    def epoch_train(self, report: EpochReport) -> list[str]:
        epoch = f"Epoch[{report.epoch}]"
        lines = [f"{epoch} Train-{name}={value:f}" for name, value in self._known(report.metrics)]
        return [*lines, f"{epoch} Time cost={report.seconds:.3f}"]

    def validation(self, report: EpochReport) -> list[str]:
        return [f"Epoch[{report.epoch}] Validation-{name}={value:f}" for name, value in self._known(report.metrics)]

    def best_model(self, score: float) -> list[str]:
        return [f"Storing the best model with validation accuracy: {score:f}"]

    def _known(self, metrics: Mapping[str, float]) -> list[tuple[str, float]]:
        return [(name, metrics[name]) for name in self.metric_names if name in metrics]


def _numpy_class(dtype: str) -> str:
    return f"<class 'numpy.{dtype}'>"
