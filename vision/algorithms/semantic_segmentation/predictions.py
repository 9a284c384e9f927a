"""From logits to the class of every pixel, and to what is said about one image.

Legend: N batch, C classes, H and W in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_scores
from vision.data.masks.rasterize import fill_runs, runs_of


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network says of one image: ``logits`` float32 [C, H, W] and ``ids`` uint8 [H, W], the best class."""

    logits: np.ndarray
    ids: np.ndarray

    def probabilities(self) -> np.ndarray:
        """Return the softmax over the classes, float32 [C, H, W]."""
        powers: np.ndarray = np.exp(self.logits - self.logits.max(axis=0))
        return powers / powers.sum(axis=0)

    def describe(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a JSON object: the classes by falling share of the pixels, each with its pixels as COCO's RLE."""
        height, width = self.ids.shape
        order, shares = self._shares()
        return {
            "size": [height, width],
            "classes": [
                {
                    "class_id": class_id,
                    "label": class_names[class_id],
                    "share": share,
                    "segmentation": runs_of(self.ids == class_id),
                }
                for class_id, share in zip(order, json_scores(np.array(shares)), strict=True)
            ],
        }

    def uncertainty(self) -> float:
        """Return the mean entropy of the pixels, 1 where all classes are equally probable."""
        shares = self.probabilities()
        entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=0)
        return float(entropy.mean() / np.log(len(shares))) if len(shares) > 1 else 0.0

    def scored_labels(self) -> list[ScoredLabel]:
        """Return the classes by falling share of the pixels, which is their score."""
        return [ScoredLabel(class_id, share) for class_id, share in zip(*self._shares(), strict=True)]

    def _shares(self) -> tuple[list[int], list[float]]:
        """Return the classes that have pixels, the largest first, and their shares of all pixels."""
        counts = np.bincount(self.ids.ravel())
        order = [class_id for class_id in np.argsort(-counts, kind="stable").tolist() if counts[class_id]]
        return order, (counts[order] / self.ids.size).tolist()


def segmentations(logits: Tensor, sizes_px: Sequence[tuple[int, int]]) -> list[Segmentation]:
    """Return one Segmentation for each image of logits [N, C, h, w], at its (width, height) of ``sizes_px``.

    Logits are scaled, not ids, so that borders between classes stay where the network sees them.
    """
    found = []
    for one, (width, height) in zip(logits, sizes_px, strict=True):
        if one.shape[1:] != (height, width):
            one = F.interpolate(one[None], size=(height, width), mode="bilinear", align_corners=False)[0]
        found.append(Segmentation(one.float().cpu().numpy(), one.argmax(0).byte().cpu().numpy()))
    return found


def decode_runs(encoded: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return the mask bool [H, W] of an uncompressed RLE."""
    height, width = encoded["size"]
    return fill_runs(encoded["counts"], (width, height))
