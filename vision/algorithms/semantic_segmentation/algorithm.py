"""Semantic segmentation: SageMaker's built-in algorithm, FCN, PSPNet and DeepLab V3 on dilated ResNets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from vision.algorithms.algorithm import Algorithm, LabeledChannel, Mark, ScoredLabel, Stage, TargetSummary
from vision.algorithms.facts import AlgorithmFacts
from vision.algorithms.semantic_segmentation.architecture import Architecture, architecture_for, read_architecture
from vision.algorithms.semantic_segmentation.export import export_heads
from vision.algorithms.semantic_segmentation.facts import FACTS, WHOLE_IMAGES
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.log_lines import SegmentationLogLines
from vision.algorithms.semantic_segmentation.network import (
    SegmentationNetwork,
    SegmentationOutput,
    build_network,
    is_head,
    load_pretrained,
)
from vision.algorithms.semantic_segmentation.predictions import Segmentation, decode_runs, segmentations
from vision.algorithms.semantic_segmentation.response import respond
from vision.algorithms.semantic_segmentation.targets import collate_masks, log_stream, mask_decoder, summarize_masks
from vision.algorithms.semantic_segmentation.transforms import build_transform
from vision.artifacts.export import ExportHeads
from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.dataset import Transform
from vision.data.masks.mask_decoder import MaskDecoder
from vision.nn.stages import Stages, stages_below
from vision.settings.class_weights import BALANCED
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.algorithms.semantic_segmentation.task import SegmentationTask
    from vision.training.task import TrainingFacts


class SemanticSegmentation(
    Algorithm[
        SemanticSegmentationHyperparameters,
        Architecture,
        SegmentationNetwork,
        SegmentationOutput,
        np.ndarray,
        Segmentation,
    ]
):
    """Ties the files of this folder together."""

    facts: ClassVar[AlgorithmFacts] = FACTS

    def summarize_targets(
        self, source: LabeledChannel, hyperparameters: SemanticSegmentationHyperparameters, run: RunSettings
    ) -> TargetSummary:
        decoder = self.target_decoder(source, hyperparameters, run)
        return summarize_masks(source, decoder, shows_progress=run.progress in ("auto", "bar"))

    def needs_label_counts(self, hyperparameters: SemanticSegmentationHyperparameters, run: RunSettings) -> bool:
        return hyperparameters.class_weights == BALANCED

    def target_decoder(
        self, source: LabeledChannel, hyperparameters: SemanticSegmentationHyperparameters, run: RunSettings
    ) -> MaskDecoder:
        decoder = mask_decoder(source, hyperparameters.num_classes)
        if source.channel.input_mode == "Pipe":
            log_stream(source.name, decoder, measures_crops=not hyperparameters.validates_whole_images)
        return decoder

    def transform(self, hyperparameters: SemanticSegmentationHyperparameters, stage: Stage) -> Transform:
        return build_transform(hyperparameters, stage)

    def spatial_target(self, target: np.ndarray) -> SpatialTarget:
        return SpatialTarget(mask=target)

    def moved_target(self, target: np.ndarray, moved: SpatialTarget) -> np.ndarray:
        assert moved.mask is not None
        return moved.mask

    def collate_targets(self, targets: list[np.ndarray]) -> Tensor:
        return collate_masks(targets)

    def architecture(
        self, hyperparameters: SemanticSegmentationHyperparameters, backbone: str | None = None
    ) -> Architecture:
        return architecture_for(hyperparameters)

    def read_architecture(self, plan: Mapping[str, object]) -> Architecture:
        return read_architecture(plan)

    def build_network(self, architecture: Architecture) -> SegmentationNetwork:
        return build_network(architecture)

    def load_pretrained(
        self, network: SegmentationNetwork, architecture: Architecture, weights_folder: Path | None
    ) -> str:
        return load_pretrained(network, weights_folder)

    def is_head(self, parameter: str, architecture: Architecture) -> bool:
        return is_head(parameter, architecture)

    def stages(self, network: SegmentationNetwork) -> Stages:
        return stages_below("backbone", network.backbone.stages)

    def embed(self, network: SegmentationNetwork, images: Tensor) -> Tensor:
        return network.embed(images)

    def task(
        self,
        network: SegmentationNetwork,
        hyperparameters: SemanticSegmentationHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> SegmentationTask:
        # A server, which does not train, does without Lightning.
        from vision.algorithms.semantic_segmentation.task import SegmentationTask

        return SegmentationTask(network, hyperparameters, run, facts)

    def also_measured(
        self, hyperparameters: SemanticSegmentationHyperparameters
    ) -> Mapping[str, SemanticSegmentationHyperparameters]:
        if hyperparameters.validates_whole_images:
            return {}
        return {WHOLE_IMAGES: hyperparameters.model_copy(update={"validation_mini_batch_size": 1})}

    def preprocessing(
        self, hyperparameters: SemanticSegmentationHyperparameters, architecture: Architecture
    ) -> dict[str, Any]:
        side = hyperparameters.crop_px
        whole = {"size": "the image's own"}
        crops = {"resize_short_side": side, "center_crop": [side, side]}
        return {
            "input": "uint8 RGB [N, 3, H, W], 0..255, of any size",
            "inference": whole,
            "validation": whole if hyperparameters.validates_whole_images else crops,
            "mean": list(architecture.mean),
            "std": list(architecture.std),
            "normalised_by": "the first layer of the network",
        }

    def export_heads(
        self, network: SegmentationNetwork, hyperparameters: SemanticSegmentationHyperparameters
    ) -> ExportHeads:
        return export_heads(network, hyperparameters.crop_px)

    def predict(
        self,
        outputs: SegmentationOutput,
        network: SegmentationNetwork,
        hyperparameters: SemanticSegmentationHyperparameters,
        sizes_px: Sequence[tuple[int, int]],
    ) -> list[Segmentation]:
        return segmentations(outputs.logits, sizes_px)

    def describe_prediction(self, prediction: Segmentation, class_names: tuple[str, ...]) -> dict[str, Any]:
        return prediction.describe(class_names)

    def summarize(self, description: Mapping[str, Any]) -> str:
        return ", ".join(f"{found['label']} {found['share']:.1%}" for found in description["classes"])

    def marks(self, description: Mapping[str, Any]) -> list[Mark]:
        return [
            Mark(found["label"], f"{found['share']:.0%}", mask=decode_runs(found["segmentation"]))
            for found in description["classes"]
        ]

    def respond(
        self, prediction: Segmentation, form: str, size_px: tuple[int, int], class_names: tuple[str, ...]
    ) -> bytes:
        return respond(prediction, form, class_names)

    def scored_labels(self, prediction: Segmentation) -> list[ScoredLabel]:
        return prediction.scored_labels()

    def uncertainty(self, prediction: Segmentation) -> float:
        return prediction.uncertainty()

    def log_lines(
        self, hyperparameters: SemanticSegmentationHyperparameters, run: RunSettings, host: str
    ) -> SegmentationLogLines:
        return SegmentationLogLines(hyperparameters, host)


ALGORITHM = SemanticSegmentation()
