"""A classifier of before networks learned features: measured features, then a linear SVM or a random forest.

Its arrays are stored as a network's weights are, so that such a model is evaluated, compared and served like any other.
Legend: N images, D features, K classes, T trees, M nodes of a tree at most.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from vision.algorithms.image_classification.classical_features import Kind, describe
from vision.algorithms.image_classification.network import LARGEST_CLASSES, Classifier

FAMILY = "classical"
# Of a tree in a forest.
MOST_DEPTH = 64
_LEAST_PROBABILITY = 1e-3


class ClassicalArchitecture(BaseModel):
    """What decides the shapes of the arrays, as the model folder records it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: Literal["classical"] = "classical"
    num_classes: Annotated[int, Field(ge=1, le=LARGEST_CLASSES)]
    image_shape: tuple[Literal[3], Literal[128], Literal[128]] = (3, 128, 128)
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=5)]
    num_words: Annotated[int, Field(ge=0, le=4096)]
    num_features: Annotated[int, Field(ge=1, le=100_000)]
    classifier: Literal["linear", "forest"]
    trees: Annotated[int, Field(ge=0, le=1000)] = 0
    nodes: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class ClassicalClassifier(Classifier):
    """Pixels to logits. It has no parameters: its buffers are filled by ``baseline.py`` or from a model folder."""

    def __init__(self, architecture: ClassicalArchitecture) -> None:
        super().__init__(architecture)
        self.architecture = architecture
        plan = architecture
        self.codebook: Tensor
        self.register_buffer("codebook", torch.zeros(plan.num_words, 128))
        if plan.classifier == "linear":
            self.register_buffer("weight", torch.zeros(plan.num_classes, plan.num_features, dtype=torch.float64))
            self.register_buffer("bias", torch.zeros(plan.num_classes, dtype=torch.float64))
            return
        shape = (plan.trees, plan.nodes)
        self.register_buffer("left", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("right", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("feature", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("shares", torch.zeros(*shape, plan.num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits float32 [N,K] of images uint8 [N,3,H,W], RGB."""
        return self.logits(self.embed(images)).float()

    def embed(self, images: Tensor) -> Tensor:
        """Return the features float32 [N,D] of images as ``forward`` takes them."""
        pixels = images.permute(0, 2, 3, 1).contiguous().byte().cpu().numpy()
        codebook = self.codebook.cpu().numpy()
        rows = [describe(image, self.architecture.kinds, codebook) for image in pixels]
        return torch.from_numpy(np.stack(rows)).to(images.device)

    def logits(self, normalized: Tensor) -> Tensor:
        """Return the logits [N,K] of features float32 [N,D]."""
        if self.architecture.classifier == "linear":
            weight, bias = self.get_buffer("weight"), self.get_buffer("bias")
            return normalized.to(weight.dtype) @ weight.T + bias
        shares = self._leaf_shares(normalized).mean(dim=1)
        return shares.clamp_min(_LEAST_PROBABILITY).log()

    def _leaf_shares(self, features: Tensor) -> Tensor:
        """Return the shares of the classes in the leaf that each image reaches in each tree, float32 [N,T,K]."""
        left, right, feature = (self.get_buffer(name).long() for name in ("left", "right", "feature"))
        threshold, shares = self.get_buffer("threshold"), self.get_buffer("shares")
        trees = torch.arange(self.architecture.trees, device=features.device)
        node = torch.zeros(len(features), len(trees), dtype=torch.long, device=features.device)
        # A leaf is its own child. Paths end, however damaged the file.
        for _ in range(MOST_DEPTH):
            value = features.gather(1, feature[trees, node].clamp(0, features.shape[1] - 1)).to(threshold.dtype)
            following = torch.where(value <= threshold[trees, node], left[trees, node], right[trees, node])
            following = following.clamp(0, self.architecture.nodes - 1)
            if torch.equal(following, node):
                break
            node = following
        return shares[trees, node]
