"""From logits to probabilities, and to what is said about one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_scores

SHOWN_CLASSES = 5
MULTI_LABEL_THRESHOLD = 0.5


def probabilities_of(logits: Tensor, *, multi_label: bool) -> Tensor:
    """Return probabilities float32 [N,K] of logits [N,K]: a softmax, or a sigmoid for each when ``multi_label``."""
    logits = logits.float()
    return logits.sigmoid() if multi_label else logits.softmax(dim=1)


@dataclass(frozen=True)
class Classification:
    """What the network says of one image: ``probabilities`` float32 [K] in class order."""

    probabilities: np.ndarray
    multi_label: bool

    @property
    def class_id(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    @property
    def score(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    @property
    def class_ids(self) -> tuple[int, ...]:
        """All classes with a probability of at least one half, for multi-label models."""
        return tuple(np.flatnonzero(self.probabilities >= MULTI_LABEL_THRESHOLD).tolist())

    def describe(self, class_names: tuple[str, ...]) -> dict[str, object]:
        """JSON object: SageMaker's ``prediction``, and the best classes by name."""
        scores = json_scores(self.probabilities)
        best = np.argsort(-self.probabilities, kind="stable")[:SHOWN_CLASSES].tolist()
        found: dict[str, object] = {
            "prediction": scores,
            "label": class_names[self.class_id],
            "score": scores[self.class_id],
            "top": [{"label": class_names[i], "score": scores[i]} for i in best],
        }
        if self.multi_label:
            found["labels"] = [class_names[i] for i in self.class_ids]
        return found

    def uncertainty(self) -> float:
        """Return 1 less the margin between the two best classes or, of several labels, their mean entropy in bits."""
        if self.multi_label:
            shares = np.stack([self.probabilities, 1 - self.probabilities]).astype(np.float64)
            return float(-(shares * np.log2(np.maximum(shares, 1e-12))).sum(axis=0).mean())
        if len(self.probabilities) < 2:
            return 0.0
        second, first = np.partition(self.probabilities, -2)[-2:]
        return float(1 - (first - second))

    def scored_labels(self) -> list[ScoredLabel]:
        """Return all classes by falling probability; the lower class id comes first among equals."""
        order = np.argsort(-self.probabilities, kind="stable").tolist()
        return [ScoredLabel(class_id, float(self.probabilities[class_id])) for class_id in order]


def classifications(logits: Tensor, *, multi_label: bool) -> list[Classification]:
    """One Classification for each row of logits [N,K]."""
    with torch.no_grad():
        table = probabilities_of(logits, multi_label=multi_label).cpu().numpy()
    return [Classification(row, multi_label) for row in table]
