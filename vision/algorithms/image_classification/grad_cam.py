"""Where a classifier looked: Grad-CAM (Selvaraju et al. 2017) at the last feature map.

Legend: N images, C channels and h x w cells of the last feature map, K classes. Both families of networks end in global
average pooling and a fully connected layer, for which Grad-CAM is the positive part of CAM (Zhou et al. 2016).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vision.algorithms.image_classification.network import ImageClassifier


def grad_cam(network: ImageClassifier, images: Tensor, class_ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Heat float32 [N, h, w] of a class of each image, 0..1 with 1 at its peak, and the class ids int64 [N].

    ``images`` uint8 [N, 3, H, W]. Without ``class_ids`` the likeliest class is looked at. A cell that speaks against
    the class has heat 0; where all do, the whole map is 0.
    """
    features, logits = _last_features(network, images)
    if class_ids is None:
        class_ids = logits.argmax(dim=1)
    with torch.enable_grad():
        features.requires_grad_()
        pooled = network.resnet.avgpool(features).flatten(1)
        scores: Tensor = getattr(network.resnet, network.resnet.HEAD)(pooled)
        (gradients,) = torch.autograd.grad(scores.gather(1, class_ids[:, None]).sum(), features)
    with torch.no_grad():
        importance = gradients.mean(dim=(2, 3), keepdim=True)
        heat = (importance * features).sum(dim=1).relu().float()
        peak = heat.amax(dim=(1, 2), keepdim=True)
        return torch.where(peak > 0, heat / peak, torch.zeros_like(heat)), class_ids


def _last_features(network: ImageClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """What the network pools, [N, C, h, w], and its logits [N, K]."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        # In place layers ahead are done with it; a copy is free of inference mode, too.
        kept.append(inputs[0].detach().clone())

    handle = network.resnet.avgpool.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            logits = network(images)
    finally:
        handle.remove()
    return kept[0], logits
