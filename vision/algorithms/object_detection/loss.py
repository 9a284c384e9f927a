"""The two losses of SSD, on the whole batch at once.

Legend: N batch, A anchors, M padded objects, K classes incl. background, R rows: anchors of any image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.algorithms.object_detection.anchors import Anchors
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.hard_negative_mining import IGNORED, assign_classes, difficulty
from vision.algorithms.object_detection.indexing import used_rows
from vision.algorithms.object_detection.matcher import MatcherSettings, Matches, match


def multibox_loss(
    class_logits: Tensor,
    box_offsets: Tensor,
    anchors: Anchors,
    boxes: Tensor,
    labels: Tensor,
    settings: MatcherSettings,
) -> dict[str, Tensor]:
    """Match objects to anchors and give the losses to minimise, by name; their sum is SSD's training loss.

    ``class_logits`` float [N, A, K] and ``box_offsets`` float [N, A, 4] are the network's; ``boxes`` float32
    [N, M, 4] (xyxy, unit) and ``labels`` int64 [N, M] (-1 = padding) the truth.
    """
    with torch.no_grad():
        matches = match(anchors, boxes, labels, settings)
        class_targets = assign_classes(matches, labels, difficulty(class_logits), settings)
    return {
        "cross_entropy": classification_loss(class_logits, class_targets),
        "smooth_l1": localization_loss(box_offsets, matches, anchors.boxes_xyxy_unit, boxes),
    }


def classification_loss(class_logits: Tensor, class_targets: Tensor) -> Tensor:
    """Cross-entropy of logits [N, A, K], averaged over the anchors of the batch whose target is not ignored."""
    targets = class_targets.flatten()
    rows = used_rows(targets != IGNORED)
    logits = class_logits.flatten(0, 1)
    if rows is not None:
        logits, targets = logits.index_select(0, rows), targets.index_select(0, rows)
    total = F.cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="sum")
    return total / (targets != IGNORED).sum().clamp(min=1)


def localization_loss(
    box_offsets: Tensor, matches: Matches, anchors: Tensor, boxes: Tensor, coder: BoxCoder | None = None
) -> Tensor:
    """Smooth L1 of the offsets [N, A, 4] of matched anchors.

    As in MXNet the sum is divided by the number of coordinates of the batch whose loss is above zero, which is
    about four times the number of matched anchors.
    """
    num_anchors, num_objects = anchors.shape[0], boxes.shape[1]
    item = matches.object_index.flatten()
    rows = used_rows(item >= 0)
    if rows is None:
        rows = torch.arange(item.shape[0], device=item.device)
        offsets = box_offsets.flatten(0, 1)
    else:
        item = item.index_select(0, rows)
        offsets = box_offsets.flatten(0, 1).index_select(0, rows)
    if num_objects == 0:
        return offsets.sum() * 0.0
    is_matched = (item >= 0).unsqueeze(1)
    image = torch.div(rows, num_anchors, rounding_mode="floor")
    anchor_boxes = anchors.index_select(0, rows - image * num_anchors)
    true_boxes = boxes.flatten(0, 1).index_select(0, image * num_objects + item.clamp(min=0))
    # Rows without an object get their anchor for a box, whose offsets are finite.
    true_boxes = torch.where(is_matched, true_boxes, anchor_boxes)
    targets = (coder or BoxCoder()).encode(true_boxes, anchor_boxes)
    return normalized_smooth_l1(torch.where(is_matched, offsets.float() - targets, 0.0))


def normalized_smooth_l1(difference: Tensor) -> Tensor:
    """Smooth L1 with its corner at 1, summed and divided by the number of elements above zero (at least 1)."""
    loss = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")
    return loss.sum() / (loss.detach() > 0).sum().clamp(min=1)
