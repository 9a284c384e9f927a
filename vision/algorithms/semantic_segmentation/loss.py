"""The loss of a segmentation network: cross-entropy of every pixel that is not ignored.

Legend: N batch, H and W in pixels, C classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.algorithms.semantic_segmentation.network import SegmentationOutput
from vision.data.masks.mask_png import IGNORED


def segmentation_losses(
    output: SegmentationOutput,
    masks: Tensor,
    auxiliary_weight: float,
    class_weights: Tensor | None = None,
    smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """Return the losses to minimize, by name; their sum is the training loss.

    ``masks`` uint8 [N,H,W] are class ids or IGNORED; ``class_weights`` float32 [C] multiply the loss of each class, and
    ``smoothing`` is the share of each label that all classes have alike.
    Gradients are those of a mean over pixels, as usual in PyTorch. Gluon CV's are divided by the size of the batch
    once more, and its auxiliary weight does not reach them.
    """
    targets = masks.long()
    losses = {"cross_entropy": pixel_cross_entropy(output.logits, targets, class_weights, smoothing)}
    if output.auxiliary is not None:
        auxiliary = pixel_cross_entropy(output.auxiliary, targets, class_weights, smoothing)
        losses["auxiliary"] = auxiliary_weight * auxiliary
    return losses


def pixel_cross_entropy(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Return the mean loss of logits [N,C,H,W] over the pixels of ``targets`` int64 [N,H,W] that are not IGNORED.

    With weights it is the weighted mean. Where no pixel counts it is 0, and so are its gradients.
    """
    total = F.cross_entropy(
        logits.float(), targets, class_weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )
    is_valid = targets != IGNORED
    if class_weights is None:
        return total / is_valid.sum().clamp(min=1)
    weights = class_weights[torch.where(is_valid, targets, 0)] * is_valid
    whole = weights.sum()
    return total / torch.where(whole > 0, whole, 1)
