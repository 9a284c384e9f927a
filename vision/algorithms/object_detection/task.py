"""Trains and evaluates a detector; ``freeze_layer_pattern`` holds parts of it fixed.

Legend: N batch, A anchors, M objects of an image, at most.
"""

from __future__ import annotations

import logging
import re

from torch import Tensor

from vision.algorithms.object_detection.evaluation import AnchorStatistics, DetectionEvaluator
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import SSD, SSDOutput, mxnet_names
from vision.algorithms.object_detection.targets import PaddedTargets
from vision.settings.errors import SettingsError
from vision.settings.run import RunSettings
from vision.training.task import TrainingFacts, TrainingTask

log = logging.getLogger(__name__)
_BASE = "base."
_MAX_SHOWN = 6


class DetectionTask(TrainingTask):
    """SSD's two losses, and mAP after every epoch."""

    hyperparameters: ObjectDetectionHyperparameters
    network: SSD

    def __init__(
        self,
        network: SSD,
        hyperparameters: ObjectDetectionHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> None:
        super().__init__(network, hyperparameters, run, facts)
        self.matcher = MatcherSettings()
        self.statistics = AnchorStatistics(
            network.anchor_boxes.cpu().numpy(), network.architecture.image_shape, self.matcher.overlap_threshold
        )

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.hyperparameters.freeze_layer_pattern is not None:
            freeze(self.network, self.hyperparameters.freeze_layer_pattern)
        super().setup(stage)

    def losses(self, outputs: SSDOutput, targets: PaddedTargets) -> dict[str, Tensor]:
        return multibox_loss(
            outputs.class_logits,
            outputs.box_offsets,
            self.network.anchors,
            targets.boxes_xyxy_unit,
            targets.labels,
            self.matcher,
        )

    def training_sums(self, outputs: SSDOutput, targets: PaddedTargets) -> dict[str, Tensor]:
        return {}

    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        return {}

    @property
    def loss_names(self) -> tuple[str, ...]:
        return ("cross_entropy", "smooth_l1")

    def new_evaluator(self) -> DetectionEvaluator:
        return DetectionEvaluator(
            self.network.anchors.boxes_xyxy_unit,
            self.hyperparameters,
            self.class_names,
            self.key_of,
            self.statistics,
            self.thresholds,
        )


def freeze(network: SSD, pattern: str) -> None:
    """Take the parameters of the base network that the pattern matches out of training.

    As in MXNet's example it must match from the beginning of a name (``re.match``). Names are MXNet's
    (``conv1_1_weight``, ``stage1_unit1_conv1_weight``; see ``network.mxnet_names``) or ours with or without
    ``base.`` (``layer1.0.conv1.weight``). The running averages of a batch normalization are no parameters and go
    on following the images, as MXNet's do. Raises SettingsError if nothing matches.
    """
    theirs = mxnet_names(network)
    ours = {name: value for name, value in network.named_parameters() if name.startswith(_BASE)}
    frozen = [
        name
        for name in ours
        if any(re.match(pattern, form) for form in (theirs.get(name, name), name, name.removeprefix(_BASE)))
    ]
    if not frozen:
        names = [theirs.get(name, name) for name in ours]
        step = max(len(names) // _MAX_SHOWN, 1)
        raise SettingsError(
            [
                f"Hyperparameter freeze_layer_pattern is {pattern!r}, which matches the beginning of no parameter of "
                f"{network.architecture.base_network}; they are called {', '.join(names[::step][:_MAX_SHOWN])}, ...: "
                "change the pattern or leave it out"
            ]
        )
    for name in frozen:
        ours[name].requires_grad_(False)
    log.info("%d of %d parameters of the base network are frozen", len(frozen), len(ours))
