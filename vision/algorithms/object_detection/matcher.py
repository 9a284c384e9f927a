"""Which anchor answers for which object (MXNet's MultiBoxTarget).

Legend: N batch, A anchors, M padded objects. Boxes are xyxy in unit coordinates.

Nothing here loops over images or waits for the device. On the CPU, where shapes that depend on data cost
nothing, ``candidate_pairs`` finds the few pairs that matter and gives the same matches much faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.algorithms.object_detection.anchors import Anchors
from vision.algorithms.object_detection.candidate_pairs import match_candidate_pairs
from vision.box_iou import pairwise_iou

# MXNet gives an object its best anchor only if they overlap by more than this.
MIN_BIPARTITE_IOU = 1e-6


@dataclass(frozen=True)
class MatcherSettings:
    """How anchors are chosen; the values are MultiBoxTarget's as SSD calls it.

    ``overlap_threshold``: an anchor whose best IoU is strictly above it is positive; 0 leaves only each
    object's own best anchor. ``negative_mining_ratio``: background anchors per positive one; 0 or less trains
    all others as background. ``negative_mining_threshold``: background anchors have a best IoU below it.

    ``train_images_without_objects``: an image without a positive anchor trains on as many hard negatives as
    an image of the batch with objects has on average (as for one positive if there is none). False ignores
    such images, as MXNet does, so that a network never learns from pictures of nothing.
    """

    overlap_threshold: float = 0.5
    negative_mining_ratio: float = 3.0
    negative_mining_threshold: float = 0.5
    train_images_without_objects: bool = True


@dataclass(frozen=True)
class Matches:
    """``object_index`` int64 [N, A]: the object an anchor answers for, -1 for none.

    ``is_far`` bool [N, A]: no object overlaps the anchor by the negative mining threshold or more.
    """

    object_index: Tensor
    is_far: Tensor


def match(anchors: Anchors, boxes: Tensor, labels: Tensor, settings: MatcherSettings) -> Matches:
    """Match objects (boxes float32 [N, M, 4], labels int64 [N, M] with -1 = padding) to anchors.

    First greedily one anchor an object, largest IoU first (ties: lowest anchor, then lowest object); then
    every anchor left takes its best object if their IoU is above the threshold (ties: lowest object).
    """
    if boxes.device.type == "cpu":
        object_index, is_far = match_candidate_pairs(
            anchors,
            boxes,
            labels,
            min_bipartite_iou=MIN_BIPARTITE_IOU,
            overlap_threshold=settings.overlap_threshold,
            far_threshold=settings.negative_mining_threshold,
        )
        return Matches(object_index, is_far)
    return match_dense(anchors.boxes_xyxy_unit, boxes, labels, settings)


def match_dense(anchors: Tensor, boxes: Tensor, labels: Tensor, settings: MatcherSettings) -> Matches:
    """Match as ``match`` does, over all pairs at once: fixed shapes, no synchronization, for accelerators."""
    num_images, num_objects = labels.shape
    num_anchors = anchors.shape[0]
    if num_objects == 0:
        shape = (num_images, num_anchors)
        return Matches(labels.new_full(shape, -1), torch.ones(shape, dtype=torch.bool, device=labels.device))
    iou = pairwise_iou(boxes, anchors).masked_fill_((labels < 0).unsqueeze(-1), -1.0)  # [N, M, A]
    best_iou, best_object = iou.max(dim=1)  # the first of equal objects
    object_index = best_object.masked_fill(
        (best_iou <= settings.overlap_threshold) | (settings.overlap_threshold <= 0), -1
    )
    own_anchor = _bipartite(iou)
    # A slot beyond the last anchor takes what has no anchor.
    slots = torch.cat((object_index, object_index.new_full((num_images, 1), -1)), dim=1)
    objects = torch.arange(num_objects, device=labels.device).expand_as(labels)
    slots.scatter_(1, torch.where(own_anchor < 0, num_anchors, own_anchor), objects)
    return Matches(slots[:, :-1], best_iou < settings.negative_mining_threshold)


def _bipartite(iou: Tensor) -> Tensor:
    """Return the anchor of each object int64 [N, M], -1 for none, from IoU [N, M, A], which is used up.

    The greedy choice of the largest remaining IoU is the one stable matching of anchors and objects when both
    prefer larger IoU, so deferred acceptance finds it: all objects propose to their best anchor at once, an
    anchor with a proposal refuses every weaker one for good. Round r settles the r-th greedy pair or has
    settled it before.
    """
    num_objects = iou.shape[1]
    # [i, j]: object j comes before object i.
    is_earlier = torch.ones(num_objects, num_objects, dtype=torch.bool, device=iou.device).tril(-1)
    for _ in range(num_objects):
        value, anchor = iou.max(dim=2)  # the first of equal anchors
        asked = anchor.unsqueeze(1).expand(-1, num_objects, -1)
        rival, offered = iou.gather(2, asked), value.unsqueeze(1)
        is_weaker = (rival < offered) | ((rival == offered) & is_earlier)
        iou.scatter_reduce_(2, asked, torch.where(is_weaker, -1.0, rival), "amin")
    return torch.where(value > MIN_BIPARTITE_IOU, anchor, -1)
