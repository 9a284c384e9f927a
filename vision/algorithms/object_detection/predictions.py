"""From raw network outputs to detections: decoding and non-maximum suppression (MXNet's MultiBoxDetection).

Legend: N batch, A anchors, K classes incl. background, D detections of an image, at most.
Works on the whole batch as tensors, without a loop over images or classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.hard_negative_mining import DIFFICULTY_UNIT, difficulty
from vision.algorithms.object_detection.indexing import used_rows
from vision.algorithms.object_detection.suppression import survivors

# A box with a side of this or less, as a fraction of the image, has no area once it is written with six decimals.
SMALLEST_SIDE_UNIT = 1e-6


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
    """Return the detections of the network's logits [N, A, K] and offsets [N, A, 4] for its anchors [A, 4]."""
    scores, labels = best_classes(class_logits, settings.score_threshold)
    return detect_from_scores(scores, labels, box_offsets, anchors, settings)


def best_classes(class_logits: Tensor, score_threshold: float) -> tuple[Tensor, Tensor]:
    """Probability float32 and class int64 (without background), [N, A], of each anchor's best class.

    Background is not compared. Scores that do not reach the threshold may be given as 0.
    """
    logits = class_logits.flatten(0, 1)
    # Where background leaves less than the threshold, no class can reach it; rounding gets a margin.
    most_background = 1.0 - score_threshold + 1e-4
    rows = used_rows(~(difficulty(class_logits) * most_background < DIFFICULTY_UNIT))
    if rows is not None:
        logits = logits.index_select(0, rows)
    scores, labels = logits.float().softmax(dim=-1)[:, 1:].max(dim=-1)
    if rows is not None:
        count = class_logits.shape[0] * class_logits.shape[1]
        scores = scores.new_zeros(count).index_copy_(0, rows, scores)
        labels = labels.new_zeros(count).index_copy_(0, rows, labels)
    return scores.view(class_logits.shape[:2]), labels.view(class_logits.shape[:2])


def detect_from_scores(
    scores: Tensor,
    labels: Tensor,
    box_offsets: Tensor,
    anchors: Tensor,
    settings: DetectionSettings,
    coder: BoxCoder | None = None,
) -> Detections:
    """Return the detections by each anchor's best class, as ``best_classes`` gives it.

    Boxes without area are left out at the end, as are those of an anchor whose offsets are no numbers; MXNet gives
    both. They remove no others.
    """
    candidate, is_valid = _best_candidates(scores, settings)
    scores, labels = scores.gather(1, candidate), labels.gather(1, candidate)
    offsets = box_offsets.gather(1, candidate.unsqueeze(-1).expand(-1, -1, 4)).float()
    boxes = (coder or BoxCoder()).decode(offsets, anchors[candidate])
    if settings.clip:
        boxes = boxes.clamp(0.0, 1.0)
    keep = is_valid
    if settings.nms_threshold is not None:
        groups = torch.zeros_like(labels) if settings.is_class_agnostic else labels
        keep = survivors(boxes, groups, is_valid, settings.nms_threshold)
    has_area = (boxes[..., 2:] - boxes[..., :2] > SMALLEST_SIDE_UNIT).all(dim=-1)
    return _compact(boxes, scores, labels, keep & has_area)


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
