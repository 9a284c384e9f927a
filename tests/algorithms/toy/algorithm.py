"""The toy itself: masks in, masks out. Legend: N batch, K classes, H and W the network's size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from vision.algorithms.algorithm import Algorithm, LabeledChannel, Mark, Stage, TargetSummary
from vision.algorithms.facts import AlgorithmFacts
from vision.algorithms.json_answer import json_bytes
from vision.artifacts.export import BATCH, ExportHeads, HeadOutput, Heads
from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.sample import RawTarget
from vision.settings.errors import DataError, UserError
from vision.settings.run import RunSettings
from vision.training.log_lines import BatchReport, EpochReport, LogLines
from vision.training.task import TrainingFacts

from .facts import FACTS, IGNORED, ToyHyperparameters
from .task import ToyTask


class Plan(BaseModel):
    """The network's plan."""

    num_classes: int
    side_px: int


class TwoConvolutions(nn.Module):
    """uint8 [N, 3, H, W] -> logits float32 [N, K, H, W]."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, num_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images.float() / 127.5 - 1)
        return logits


class MaskDecoder:
    """(bytes of a PNG, key) -> uint8 [H, W], class ids or IGNORED. A pixel is ``scale`` times its class."""

    def __init__(self, num_classes: int, scale: int) -> None:
        self.num_classes = num_classes
        self.scale = scale

    def __call__(self, raw: RawTarget, key: str) -> np.ndarray:
        if not isinstance(raw, bytes):
            raise DataError(key, "has no mask: give a PNG of class ids for each image")
        mask = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
        if mask is not None:
            mask = np.where(mask == IGNORED, IGNORED, mask // self.scale).astype(np.uint8)
        if mask is None or mask.ndim != 2 or ((mask >= self.num_classes) & (mask != IGNORED)).any():
            raise DataError(key, f"has a mask that is not a grey PNG of class ids below {self.num_classes}")
        return mask


def mask_scale(source: LabeledChannel) -> int:
    """Return what pixels are divided by, from the optional channel ``label_map``."""
    if "label_map" not in source.channels:
        return 1
    return int(json.loads((source.channels["label_map"].path / f"{source.name}_label_map.json").read_text())["scale"])


class ToyTransform:
    """Scales image and mask to a square."""

    def __init__(self, side_px: int) -> None:
        self.size_px = (side_px, side_px)

    def __call__(
        self, image: np.ndarray, target: np.ndarray | None, rng_seed: int | None, key: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        mask = None if target is None else cv2.resize(target, self.size_px, interpolation=cv2.INTER_NEAREST)
        return cv2.resize(image, self.size_px, interpolation=cv2.INTER_LINEAR), mask


class ToyLogLines(LogLines):
    """One line for each thing."""

    def parameters(self) -> list[str]:
        return ["toy"]

    def batch(self, report: BatchReport) -> list[str]:
        return [f"epoch {report.epoch} batch {report.batches}"]

    def epoch_train(self, report: EpochReport) -> list[str]:
        return [f"epoch {report.epoch} of {report.epochs}"]

    def validation(self, report: EpochReport) -> list[str]:
        return [f"epoch {report.epoch} validation mIoU: {report.metrics['mIoU']:.6g}"]

    def best_model(self, score: float) -> list[str]:
        return [f"best {score:.6g}"]


class Toy(Algorithm[ToyHyperparameters, Plan, TwoConvolutions, Tensor, np.ndarray, np.ndarray]):
    """A prediction is a mask uint8 [H, W] of the original image's size."""

    facts: ClassVar[AlgorithmFacts] = FACTS

    def summarize_targets(
        self, source: LabeledChannel, hyperparameters: ToyHyperparameters, run: RunSettings
    ) -> TargetSummary:
        decode, reader = self.target_decoder(source, hyperparameters, run), source.reader
        problems = []
        for index in range(len(reader)):
            try:
                decode(reader.target(index), reader.key(index))
            except DataError as error:
                problems.append(str(error))
        return TargetSummary(len(reader), None, reader.class_names, tuple(problems))

    def target_decoder(
        self, source: LabeledChannel, hyperparameters: ToyHyperparameters, run: RunSettings
    ) -> MaskDecoder:
        return MaskDecoder(hyperparameters.num_classes, mask_scale(source))

    def transform(self, hyperparameters: ToyHyperparameters, stage: Stage) -> ToyTransform:
        return ToyTransform(hyperparameters.side_px)

    def spatial_target(self, target: np.ndarray) -> SpatialTarget:
        return SpatialTarget(mask=target)

    def moved_target(self, target: np.ndarray, moved: SpatialTarget) -> np.ndarray:
        return moved.mask

    def collate_targets(self, targets: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(targets))

    def architecture(self, hyperparameters: ToyHyperparameters, backbone: str | None = None) -> Plan:
        return Plan(num_classes=hyperparameters.num_classes, side_px=hyperparameters.side_px)

    def read_architecture(self, plan: Mapping[str, object]) -> Plan:
        return Plan.model_validate(plan)

    def build_network(self, architecture: Plan) -> TwoConvolutions:
        return TwoConvolutions(architecture.num_classes)

    def load_pretrained(self, network: TwoConvolutions, architecture: Plan, weights_folder: Path | None) -> str:
        raise UserError("The toy has no pretrained weights: leave hp.use_pretrained_model out.")

    def is_head(self, parameter: str, architecture: Plan) -> bool:
        return parameter.startswith("layers.2.")

    def task(
        self, network: TwoConvolutions, hyperparameters: ToyHyperparameters, run: RunSettings, facts: TrainingFacts
    ) -> ToyTask:
        return ToyTask(network, hyperparameters, run, facts)

    def preprocessing(self, hyperparameters: ToyHyperparameters, architecture: Plan) -> dict[str, Any]:
        return {"input": "uint8 RGB [N, 3, H, W], 0..255", "side_px": architecture.side_px}

    def export_heads(self, network: TwoConvolutions, hyperparameters: ToyHyperparameters) -> ExportHeads:
        side = hyperparameters.side_px
        output = HeadOutput("logits", (BATCH, hyperparameters.num_classes, side, side), "float32; the largest counts")
        return ExportHeads(Heads(network), (3, side, side), (output,))

    def predict(
        self,
        outputs: Tensor,
        network: TwoConvolutions,
        hyperparameters: ToyHyperparameters,
        sizes_px: Sequence[tuple[int, int]],
    ) -> list[np.ndarray]:
        masks = outputs.argmax(1).to(torch.uint8).cpu().numpy()
        return [
            cv2.resize(mask, size_px, interpolation=cv2.INTER_NEAREST)
            for mask, size_px in zip(masks, sizes_px, strict=True)
        ]

    def describe_prediction(self, prediction: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
        shares = np.bincount(prediction.ravel(), minlength=len(class_names)) / prediction.size
        return {"shares": dict(zip(class_names, shares.tolist(), strict=True))}

    def summarize(self, description: Mapping[str, Any]) -> str:
        return ", ".join(f"{share:.0%} {name}" for name, share in description["shares"].items())

    def marks(self, description: Mapping[str, Any]) -> list[Mark]:
        return [Mark(self.summarize(description))]

    def respond(
        self, prediction: np.ndarray, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> bytes:
        if form == "image/png":
            return cv2.imencode(".png", prediction)[1].tobytes()
        return json_bytes(self.describe_prediction(prediction, class_names))

    def log_lines(self, hyperparameters: ToyHyperparameters, run: RunSettings, host: str) -> ToyLogLines:
        return ToyLogLines()


ALGORITHM = Toy()
