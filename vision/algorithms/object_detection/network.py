"""The detector: from pixels to class logits and box offsets of every anchor.

Legend: N batch, S side of the square image in pixels, A anchors, K classes incl. background (class 0).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vision.algorithms.object_detection.anchors import Anchors, make_anchors
from vision.algorithms.object_detection.architecture import Architecture, ExtraLayer
from vision.nn.generalized_mean import generalized_mean
from vision.nn.init import initialize, xavier_gaussian_in, xavier_uniform_average
from vision.nn.mxnet_names import mxnet_names as names_of_layers
from vision.nn.normalize import Normalize
from vision.nn.preact_resnet import PreactResNetTrunk
from vision.nn.pretrained import copy_weights, load_imagenet
from vision.nn.resnet import PLANS, ResNetTrunk
from vision.nn.vgg import L2Normalization, VGG16Reduced, from_torchvision

# The maps of each family's base network on which it detects.
_BASE_MAPS = {
    "vgg": ("relu4_3", "relu7"),
    "resnet": ("layer3", "layer4"),
    "preact_resnet": ("stage3", "stage4"),
}

_EXTRA_LAYER = re.compile(r"^(conv_[13]x[13])")
_RESNET_UNIT = re.compile(r"^layer(\d+)_(\d+)_(.*)$")


class SSDOutput(NamedTuple):
    """``class_logits`` float32 [N, A, K] and ``box_offsets`` float32 [N, A, 4], in the order of the anchors."""

    class_logits: Tensor
    box_offsets: Tensor


class ExtraMap(nn.Module):
    """A 1x1 and a 3x3 convolution, each with ReLU."""

    def __init__(self, in_channels: int, plan: ExtraLayer) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv2d(in_channels, plan.width_1x1, 1)
        self.conv_3x3 = nn.Conv2d(plan.width_1x1, plan.width_3x3, 3, plan.stride, plan.padding)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_3x3(F.relu(self.conv_1x1(x), inplace=True)), inplace=True)


class SSD(nn.Module):
    """``base`` is the base network, ``extras`` the further maps; every map has a class and a box head."""

    anchor_boxes: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.normalize = Normalize(architecture.mean, architecture.std)
        self.base: VGG16Reduced | ResNetTrunk | PreactResNetTrunk
        if architecture.family == "vgg":
            self.base = VGG16Reduced(architecture.vgg_plan)
        elif architecture.family == "resnet":
            self.base = ResNetTrunk(architecture.depth)
        else:
            self.base = PreactResNetTrunk(architecture.preact_plan)
        channels = [self.base.channels[name] for name in _BASE_MAPS[architecture.family]]
        # Only the heads see the normalized map; the base network continues from the plain one.
        self.relu4_3_norm = L2Normalization(channels[0]) if architecture.family == "vgg" else None
        self.extras = nn.ModuleList()
        for layer in architecture.extra_layers:
            self.extras.append(ExtraMap(channels[-1], layer))
            channels.append(layer.width_3x3)
        self.per_cell = [level.as_anchor_level().per_cell for level in architecture.levels]
        self.channels = channels
        self.box_heads = self._make_heads(4)
        self.class_heads = self._make_heads(architecture.num_classes + 1)
        if self.relu4_3_norm is not None:
            _mark(self.relu4_3_norm.scale, "weight_decay_multiplier", 0.1)
        levels = [level.as_anchor_level() for level in architecture.levels]
        self._anchors = make_anchors(levels, [(side, side) for side in architecture.map_sides])
        self.register_buffer("anchor_boxes", self._anchors.boxes_xyxy_unit, persistent=False)

    @property
    def anchors(self) -> Anchors:
        """The anchors, on the network's device."""
        if self._anchors.boxes_xyxy_unit is not self.anchor_boxes:
            self._anchors = Anchors(self.anchor_boxes, self._anchors.grids)
        return self._anchors

    def _make_heads(self, values: int) -> nn.ModuleList:
        """Return a convolution for each map that gives ``values`` numbers for each anchor."""
        heads = [
            nn.Conv2d(width, count * values, 3, padding=1)
            for width, count in zip(self.channels, self.per_cell, strict=True)
        ]
        for head in heads:
            assert head.bias is not None
            _mark(head.bias, "learning_rate_multiplier", 2.0)
        return nn.ModuleList(heads)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps that the heads read."""
        features = self.base.features(self.normalize(images))
        first, last = (features[name] for name in _BASE_MAPS[self.architecture.family])
        maps = [first if self.relu4_3_norm is None else self.relu4_3_norm(first), last]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """Return vectors [N, C] of images as ``forward`` takes them: the base network's last map, pooled."""
        last = self.base.features(self.normalize(images))[_BASE_MAPS[self.architecture.family][-1]]
        return generalized_mean(last).float()

    def forward(self, images: Tensor) -> SSDOutput:
        """Return the raw outputs for ``images`` [N, 3, S, S], uint8 or float, 0..255, RGB."""
        maps = self.maps(images)
        num_classes = self.architecture.num_classes + 1
        logits = [_by_anchor(head(x), num_classes) for head, x in zip(self.class_heads, maps, strict=True)]
        offsets = [_by_anchor(head(x), 4) for head, x in zip(self.box_heads, maps, strict=True)]
        return SSDOutput(torch.cat(logits, dim=1).float(), torch.cat(offsets, dim=1).float())


def _mark(parameter: Tensor, multiplier: str, value: float) -> None:
    """MXNet's lr_mult and wd_mult: the optimizer reads them from the tensor."""
    setattr(parameter, multiplier, value)


def _by_anchor(x: Tensor, values: int) -> Tensor:
    """[N, cell anchors * values, H, W] -> [N, anchors, values], by rows, columns and the anchors of a cell."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)


def build_network(architecture: Architecture) -> SSD:
    """Return a network with untrained weights, initialized as in MXNet's examples: Xavier, a ResNet by He's rule."""
    network = SSD(architecture)
    initialize(network, xavier_uniform_average)
    if architecture.family != "vgg":
        initialize(network.base, xavier_gaussian_in)
    return network


def load_pretrained(network: SSD, weights_folder: Path | None) -> str:
    """Put ImageNet weights into the base network; a sentence says which they are. Raises UserError."""
    architecture = network.architecture
    assert architecture.family != "preact_resnet", "settings allow ImageNet weights for torchvision's networks only"
    weights = load_imagenet(architecture.base_network.replace("-", ""), weights_folder)
    if architecture.family == "vgg":
        state = from_torchvision(weights.state_dict)
    else:
        state = {key: value for key, value in weights.state_dict.items() if not key.startswith("fc.")}
    copy_weights(state, network.base, weights.file)
    return str(weights)


def is_head(parameter: str) -> bool:
    """Return whether a key of the state dict depends on the number of classes."""
    return parameter.startswith("class_heads.")


def mxnet_names(network: SSD) -> dict[str, str]:
    """State-dict key -> MXNet's name of that parameter (arguments and auxiliary states).

    * ``extras.0.conv_1x1.weight`` -> ``multi_feat_2_conv_1x1_conv_weight``: extra maps count on from the base's.
    * ``class_heads.0.bias`` -> ``relu4_3_cls_pred_conv_bias``, ``box_heads...`` -> ``..._loc_pred_conv_...``,
      after the map: ``relu4_3``, ``relu7``; ``_plus12``, ``_plus15``; ``multi_feat_2_conv_3x3_relu``, ...
    * ``relu4_3_norm.scale`` -> ``relu4_3_scale``.
    * vgg: ``base.conv1_1.weight`` -> ``conv1_1_weight``. preact_resnet: ``base.stage1_unit1.conv1.weight`` ->
      ``stage1_unit1_conv1_weight``; batch normalization has gamma, beta, moving_mean and moving_var.
    * resnet is no network of MXNet's; it goes by the layers that correspond: ``base.conv1`` -> ``conv0``,
      ``base.layer1.0.bn2.weight`` -> ``stage1_unit1_bn2_gamma``, ``...downsample.0`` -> ``stage1_unit1_sc``,
      ``...downsample.1`` -> ``stage1_unit1_sc_bn``.
    """
    names = {}
    for key, name in names_of_layers(network).items():
        part, _, rest = name.partition("_")
        if part == "base":
            names[key] = _resnet_name(rest) if network.architecture.family == "resnet" else rest
        elif part == "relu4":
            names[key] = "relu4_3_scale"
        elif part == "extras":
            index, _, layer = rest.partition("_")
            names[key] = _EXTRA_LAYER.sub(rf"multi_feat_{int(index) + 2}_\1_conv", layer)
        else:
            index, _, role = rest.removeprefix("heads_").partition("_")
            kind = "cls" if part == "class" else "loc"
            names[key] = f"{_map_names(network)[int(index)]}_{kind}_pred_conv_{role}"
    return names


def _map_names(network: SSD) -> list[str]:
    if isinstance(network.base, PreactResNetTrunk):
        names = [network.base.plus_name(3), network.base.plus_name(4)]
    elif isinstance(network.base, VGG16Reduced):
        names = ["relu4_3", "relu7"]
    else:
        units, _ = PLANS[network.architecture.depth]
        names = [f"_plus{sum(units[:3]) - 1}", f"_plus{sum(units) - 1}"]
    return names + [f"multi_feat_{index + 2}_conv_3x3_relu" for index in range(len(network.extras))]


def _resnet_name(name: str) -> str:
    """``layer1_0_bn2_gamma`` -> ``stage1_unit1_bn2_gamma``; ``conv1_weight`` -> ``conv0_weight``."""
    match = _RESNET_UNIT.match(name)
    if match is None:
        return name.replace("conv1", "conv0").replace("bn1", "bn0")
    stage, unit, layer = match.groups()
    layer = layer.replace("downsample_0", "sc").replace("downsample_1", "sc_bn")
    return f"stage{stage}_unit{int(unit) + 1}_{layer}"
