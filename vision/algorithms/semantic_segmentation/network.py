"""The segmentation networks: from pixels to one logit for each class and pixel. Any size of image will do.

A ResNet with an output stride of 8 and a decoder: FCN, PSPNet or DeepLab V3. The keys of the state dict are those of
torchvision's FCN and DeepLab V3. Legend: N batch, H and W in pixels, C classes.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from vision.algorithms.semantic_segmentation.architecture import Architecture
from vision.algorithms.semantic_segmentation.pyramid_pooling import ASPP, PyramidPooling
from vision.nn.generalized_mean import generalized_mean
from vision.nn.init import initialize
from vision.nn.normalize import Normalize
from vision.nn.pretrained import copy_weights, load_coco, load_imagenet
from vision.nn.resnet import ResNetTrunk

# Gluon CV trains decoders at ten times the rate of the backbone.
HEAD_RATE = 10.0
DROPOUT = 0.1
# VOC's, of which torchvision's whole networks know.
COCO_CLASSES = 21
_LAST = "4"


class SegmentationOutput(NamedTuple):
    """Logits float32 [N,C,H,W] of the decoder, and in training those of the auxiliary head, if there is one."""

    logits: Tensor
    auxiliary: Tensor | None


class SegmentationNetwork(nn.Module):
    """Pixels to logits of their size."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.normalize = Normalize(architecture.mean, architecture.std)
        self.backbone = ResNetTrunk(architecture.depth, output_stride=8)
        widths = self.backbone.channels
        self.classifier = _decoder(architecture, widths["layer4"])
        self.aux_classifier = (
            _fcn_head(widths["layer3"], architecture.num_classes) if architecture.auxiliary_head else None
        )
        for name, parameter in self.named_parameters():
            # Gluon CV decays every parameter.
            parameter.weight_decay_multiplier = 1.0  # type: ignore[attr-defined]
            if not name.startswith("backbone."):
                parameter.learning_rate_multiplier = HEAD_RATE  # type: ignore[attr-defined]

    def forward(self, images: Tensor) -> SegmentationOutput:
        """Return the logits of images [N,3,H,W], uint8 or float, 0..255, RGB."""
        maps = self.backbone.features(self.normalize(images))
        size_px = images.shape[2:]
        logits = self._scaled_up(self.classifier(maps["layer4"]), size_px)
        if self.aux_classifier is None or not self.training:
            return SegmentationOutput(logits, None)
        return SegmentationOutput(logits, self._scaled_up(self.aux_classifier(maps["layer3"]), size_px))

    def embed(self, images: Tensor) -> Tensor:
        """Return vectors [N,C] of images as ``forward`` takes them: the backbone's last map, pooled."""
        return generalized_mean(self.backbone(self.normalize(images))).float()

    def _scaled_up(self, logits: Tensor, size_px: tuple[int, ...]) -> Tensor:
        corners = self.architecture.align_corners
        return F.interpolate(logits.float(), size=size_px, mode="bilinear", align_corners=corners)


def _decoder(architecture: Architecture, in_channels: int) -> nn.Sequential:
    if architecture.algorithm == "fcn":
        return _fcn_head(in_channels, architecture.num_classes)
    corners = architecture.align_corners
    context: PyramidPooling | ASPP
    if architecture.algorithm == "psp":
        context, width = PyramidPooling(in_channels, align_corners=corners), in_channels // 4
    else:
        context = ASPP(in_channels, align_corners=corners)
        width = context.out_channels
    layers = [context, nn.Conv2d(context.out_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
    return _numbered([*layers, nn.ReLU(inplace=True)], width, architecture.num_classes)


def _fcn_head(in_channels: int, num_classes: int) -> nn.Sequential:
    width = in_channels // 4
    layers = [nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return _numbered([*layers, nn.Dropout(DROPOUT)], width, num_classes)


def _numbered(layers: list[nn.Module], width: int, num_classes: int) -> nn.Sequential:
    """Return the layers and a last convolution, which has the number 4 as in every head of torchvision."""
    named = OrderedDict((str(index), layer) for index, layer in enumerate(layers))
    if not isinstance(layers[-1], nn.Dropout):
        named["dropout"] = nn.Dropout(DROPOUT)
    named[_LAST] = nn.Conv2d(width, num_classes, 1)
    return nn.Sequential(named)


def build_network(architecture: Architecture) -> SegmentationNetwork:
    """Build a network with untrained weights."""
    network = SegmentationNetwork(architecture)
    initialize(network)
    return network


def is_head(parameter: str, architecture: Architecture) -> bool:
    """Return whether a key of the state dict depends on the number of classes."""
    return parameter.startswith((f"classifier.{_LAST}.", f"aux_classifier.{_LAST}."))


def load_pretrained(network: SegmentationNetwork, weights_folder: Path | None) -> str:
    """Put published weights into the network and return a sentence saying which.

    ImageNet's go into the backbone. Of COCO's goes in all that fits: last layers are left as they are where the number
    of classes differs, and so is PSPNet's decoder, which torchvision does not have. Raises UserError.
    """
    architecture = network.architecture
    if architecture.pretrained_on == "imagenet":
        weights = load_imagenet(f"resnet{architecture.depth}", weights_folder)
        backbone = {key: value for key, value in weights.state_dict.items() if not key.startswith("fc.")}
        copy_weights(backbone, network.backbone, weights.file)
        return str(weights)
    family = "fcn" if architecture.algorithm == "fcn" else "deeplabv3"
    weights = load_coco(f"{family}_resnet{architecture.depth}", weights_folder)
    left_out = ["classifier."] if architecture.algorithm == "psp" else []
    if architecture.num_classes != COCO_CLASSES:
        left_out += [f"classifier.{_LAST}.", f"aux_classifier.{_LAST}."]
    own = {key: value for key, value in network.state_dict().items() if key.startswith(tuple(left_out))}
    if not architecture.auxiliary_head:
        left_out.append("aux_classifier.")
    fitting = {key: value for key, value in weights.state_dict.items() if not key.startswith(tuple(left_out))}
    copy_weights(fitting | own, network, weights.file)
    started = "the decoder" if architecture.algorithm == "psp" else "the last layers" if own else ""
    return f"{weights} Untrained: {started}." if started else str(weights)
