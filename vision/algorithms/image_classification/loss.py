"""Losses of image classification. Legend: N batch, K classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MAX_POSITIVE_WEIGHT = 1000.0


def cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean softmax cross-entropy of logits [N,K] and class ids int64 [N], or the share of each class float32 [N,K].

    ``class_weights`` float32 [K] multiply the loss of each class, in a weighted mean. ``smoothing`` is the share of
    each label that all classes have alike (Szegedy et al. 2015).
    """
    if class_weights is None or labels.ndim == 1:
        return F.cross_entropy(logits.float(), labels, class_weights, label_smoothing=smoothing)
    # torch takes the mean over images where labels are shares, as if they weighed alike.
    total = F.cross_entropy(logits.float(), labels, class_weights, label_smoothing=smoothing, reduction="sum")
    return total / (labels @ class_weights).sum()


def binary_cross_entropy(
    logits: Tensor, multi_hot: Tensor, positive_weights: Tensor | None, smoothing: float = 0.0
) -> Tensor:
    """Mean over samples and classes of logits [N,K] and multi-hot float32 [N,K].

    ``positive_weights`` [K] multiply the part of the loss that comes from present labels. ``smoothing`` is the share of
    each label that yes and no have alike.
    """
    smooth = multi_hot * (1 - smoothing) + smoothing / 2 if smoothing else multi_hot
    return F.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=positive_weights)


def positive_weights(class_counts: np.ndarray, num_samples: int) -> Tensor:
    """Return weights float32 [K] that balance each class: images without it over images with it.

    The distribution comes from the labels of the training channel, whatever its form. A class that never occurs has
    no positive part to weigh, and very rare ones are held at 1000 so that one image cannot rule the gradient.
    """
    counts = np.maximum(class_counts, 1.0)
    weights = np.clip((num_samples - counts) / counts, 1.0 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)
    return torch.tensor(weights, dtype=torch.float32)
