"""The worst mistakes of an evaluation with the places where the network looked: Grad-CAM (Selvaraju et al. 2017).

Legend: N images, C channels and h x w cells of the last feature map, K classes. Both families of networks end in global
average pooling and a fully connected layer, for which Grad-CAM is the positive part of CAM (Zhou et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vision.algorithms.image_classification.network import ImageClassifier
from vision.algorithms.image_classification.transforms import ClassificationTransform
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.resize import Resize
from vision.data.collate import stack_images
from vision.metrics.classification import MISTAKES
from vision.metrics.evaluation import Evaluation, Example, Gallery, Heat
from vision.settings.errors import DataError

TITLE = "Where the network looked"
MOST_EXAMPLES = 16
_BATCH = 8


def with_explanations(
    evaluation: Evaluation,
    network: ImageClassifier,
    transform: ClassificationTransform,
    image_of: Callable[[int], np.ndarray | None],
) -> Evaluation:
    """Add a gallery to the evaluation: the worst mistakes with the heat of the class that was predicted.

    ``transform`` is that of validation; ``image_of`` gives an image uint8 [H, W, 3] by its index, or None.
    """
    mistakes = next((gallery.examples for gallery in evaluation.galleries if gallery.title == MISTAKES), ())
    examples = tuple(_with_heat(mistakes[:MOST_EXAMPLES], network, transform, image_of))
    if not examples:
        return evaluation
    position = next(i for i, gallery in enumerate(evaluation.galleries) if gallery.title == MISTAKES) + 1
    galleries = (*evaluation.galleries[:position], Gallery(TITLE, examples), *evaluation.galleries[position:])
    note = (
        f"{TITLE} is Grad-CAM (Selvaraju et al. 2017): red speaks most for the class that was predicted, blue not at "
        "all; what validation cuts off an image has no colour."
    )
    return replace(evaluation, galleries=galleries, notes=(*evaluation.notes, note))


def _with_heat(
    examples: tuple[Example, ...],
    network: ImageClassifier,
    transform: ClassificationTransform,
    image_of: Callable[[int], np.ndarray | None],
) -> Iterator[Example]:
    found: list[tuple[Example, np.ndarray, tuple[float, float, float, float]]] = []
    for example in examples:
        image = image_of(example.index)
        if image is None:
            continue
        try:
            seen, _ = transform(image, None, None, example.key)
        except DataError:
            continue
        found.append((example, seen, seen_window(transform, *image.shape[:2])))
    for start in range(0, len(found), _BATCH):
        batch = found[start : start + _BATCH]
        images = stack_images([seen for _, seen, _ in batch])
        heat, _ = grad_cam(network, images.to(next(network.parameters()).device))
        for (example, _, window), cells in zip(batch, heat.cpu().numpy(), strict=True):
            yield replace(example, heat=Heat(cells, window))


def seen_window(transform: ClassificationTransform, height: int, width: int) -> tuple[float, float, float, float]:
    """Return the part, xyxy in fractions, of an image of that size that validation sees."""
    for augmentation in transform.augmentations:
        if isinstance(augmentation, Crop):
            assert not augmentation.at_random
            left, top = (width - augmentation.width) // 2, (height - augmentation.height) // 2
            right, bottom = left + augmentation.width, top + augmentation.height
            return left / width, top / height, right / width, bottom / height
        if isinstance(augmentation, Resize):
            height, width = augmentation.size(height, width)
    return 0.0, 0.0, 1.0, 1.0


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
