"""From raw network outputs to detections: decoding and non-maximum suppression (MXNet's MultiBoxDetection).

Legend: N batch, A anchors, K classes incl. background, D detections of an image, at most.
Works on the whole batch as tensors, without a loop over images or classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.matcher import pairwise_iou

# Rounds of suppression between two looks at whether anything changed: a look makes an accelerator wait.
_ROUNDS_PER_LOOK = 8


@dataclass(frozen=True)
class DetectionSettings:
    """What counts as a detection; the values are those with which SSD is trained and evaluated.

    ``max_candidates`` (nms_topk): only that many of an image's best scores are looked at; None looks at all.
    ``nms_threshold``: of two detections with at least this IoU the lower score goes; None keeps both.
    ``is_class_agnostic`` (force_suppress): also across classes. ``clip`` cuts boxes at the image border.
    """

    score_threshold: float = 0.01
    max_candidates: int | None = 400
    nms_threshold: float | None = 0.45
    is_class_agnostic: bool = False
    clip: bool = True


@dataclass(frozen=True)
class Detections:
    """Detections of each image by descending score (ties: lower anchor), padded to D rows.

    ``boxes_xyxy_unit`` float32 [N, D, 4], ``scores`` float32 [N, D], ``labels`` int64 [N, D]: class from 0
    without background. Padding has label -1, score 0 and a box of zeros.
    """

    boxes_xyxy_unit: Tensor
    scores: Tensor
    labels: Tensor


def detect(class_logits: Tensor, box_offsets: Tensor, anchors: Tensor, settings: DetectionSettings) -> Detections:
    """Detections from the network's logits [N, A, K] and offsets [N, A, 4] for its anchors [A, 4]."""
    probabilities = class_logits.float().softmax(dim=-1)
    return detect_from_probabilities(probabilities, box_offsets, anchors, settings)


def detect_from_probabilities(
    class_probabilities: Tensor,
    box_offsets: Tensor,
    anchors: Tensor,
    settings: DetectionSettings,
    coder: BoxCoder | None = None,
) -> Detections:
    """The same from probabilities. Each anchor stands for its best class; background is not compared."""
    scores, labels = class_probabilities[..., 1:].max(dim=-1)
    candidate, is_valid = _best_candidates(scores, settings)
    scores, labels = scores.gather(1, candidate), labels.gather(1, candidate)
    offsets = box_offsets.gather(1, candidate.unsqueeze(-1).expand(-1, -1, 4)).float()
    boxes = (coder or BoxCoder()).decode(offsets, anchors[candidate])
    if settings.clip:
        boxes = boxes.clamp(0.0, 1.0)
    keep = is_valid
    if settings.nms_threshold is not None:
        suppresses = pairwise_iou(boxes, boxes) >= settings.nms_threshold
        if not settings.is_class_agnostic:
            suppresses &= labels.unsqueeze(2) == labels.unsqueeze(1)
        keep = greedy_survivors(suppresses, is_valid)
    return _compact(boxes, scores, labels, keep)


def _best_candidates(scores: Tensor, settings: DetectionSettings) -> tuple[Tensor, Tensor]:
    """Anchor index int64 [N, D] by descending score (ties: lower anchor) and whether it is above threshold."""
    num_anchors = scores.shape[1]
    # Non-negative floats sort like their bits; the index below them makes every key different.
    bits = scores.contiguous().view(torch.int32).long()
    key = (bits << 32) | torch.arange(num_anchors - 1, -1, -1, device=scores.device)
    is_valid = scores >= settings.score_threshold
    key = torch.where(is_valid, key, -1)
    count = num_anchors if settings.max_candidates is None else min(settings.max_candidates, num_anchors)
    if scores.device.type == "cpu":
        # Counting is free here; an accelerator would have to wait for the number.
        count = max(min(count, int(is_valid.sum(dim=1).max())), 1)
    best_key, candidate = key.topk(count, dim=1)
    return candidate, best_key >= 0


def greedy_survivors(suppresses: Tensor, is_valid: Tensor) -> Tensor:
    """Who remains, bool [N, D], when each in turn removes all that it suppresses among those after it.

    ``suppresses`` bool [N, D, D], symmetric. Start from all; again and again keep exactly those that no kept
    predecessor suppresses. After r rounds the first r decisions are final, so that this ends, in practice after
    the longest chain of suppressions, with the one greedy answer.
    """
    size = is_valid.shape[1]
    removes = suppresses.float().triu_(diagonal=1)  # [n, i, j]: i comes before j
    keep = is_valid
    for round_index in range(size):
        suppressed = torch.bmm(keep.float().unsqueeze(1), removes).squeeze(1) > 0
        previous, keep = keep, is_valid & ~suppressed
        is_look = keep.device.type == "cpu" or (round_index + 1) % _ROUNDS_PER_LOOK == 0
        if is_look and torch.equal(keep, previous):
            break
    return keep


def _compact(boxes: Tensor, scores: Tensor, labels: Tensor, keep: Tensor) -> Detections:
    """Move the kept rows to the front in their order; the rest becomes padding."""
    num_images, size = keep.shape
    # The slot beyond the last takes all that go.
    slot = torch.where(keep, keep.cumsum(dim=1) - 1, size)
    return Detections(
        boxes_xyxy_unit=boxes.new_zeros(num_images, size + 1, 4).scatter_(
            1, slot.unsqueeze(-1).expand(-1, -1, 4), boxes
        )[:, :size],
        scores=scores.new_zeros(num_images, size + 1).scatter_(1, slot, scores)[:, :size],
        labels=labels.new_full((num_images, size + 1), -1).scatter_(1, slot, labels)[:, :size],
    )
