"""Which anchor answers for which object, and which anchors train as background (MXNet's MultiBoxTarget).

Legend: N batch, A anchors, M padded objects, K classes incl. background. Boxes are xyxy in unit coordinates.

Nothing here loops over images or waits for the device. On the CPU, where shapes that depend on data cost
nothing, ``candidate_pairs`` finds the few pairs that matter and gives the same matches much faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.algorithms.object_detection.anchors import Anchors
from vision.algorithms.object_detection.candidate_pairs import match_candidate_pairs
from vision.box_iou import pairwise_iou

IGNORED = -1
BACKGROUND = 0
# MXNet gives an object its best anchor only if they overlap by more than this.
MIN_BIPARTITE_IOU = 1e-6
# Small, so that ``difficulty`` is finite as long as the probability is a float32, be it subnormal.
DIFFICULTY_UNIT = 2.0**-22
_LOG2_E = math.log2(math.e)
_ROWS_IN_CACHE = 32768


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
    """The same over all pairs at once: fixed shapes, no synchronisation, for accelerators."""
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
    """The anchor of each object int64 [N, M], -1 for none, from IoU [N, M, A], which is used up.

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


def difficulty(class_logits: Tensor) -> Tensor:
    """DIFFICULTY_UNIT / (probability of background), float32 [N, A] from logits [N, A, K]: how wrong a negative is.

    Infinity where that probability is 0 in float32, whatever the size of the logits.
    """
    logits = class_logits.detach().flatten(0, 1).float()
    result, ones = logits.new_empty(logits.shape[0]), logits.new_ones(logits.shape[1])
    # Pieces that stay in the processor's cache, powers of 2 and a product with ones: on the CPU all this takes torch
    # half as long as exp and sum do.
    rows = _ROWS_IN_CACHE if logits.device.type == "cpu" else max(logits.shape[0], 1)
    likelihood = torch.empty_like(logits[:rows])
    unit = logits.new_full((), math.log2(DIFFICULTY_UNIT))
    for part, part_of_result in zip(logits.split(rows), result.split(rows), strict=True):
        # Over background's logit, so that nothing but a hopeless probability leaves the range of floats.
        powers = torch.sub(part, part[:, :1], out=likelihood[: part.shape[0]])
        torch.add(unit, powers, alpha=_LOG2_E, out=powers).exp2_()
        torch.mv(powers, ones, out=part_of_result)
    return result.view(class_logits.shape[:2])


def assign_classes(matches: Matches, labels: Tensor, difficulty: Tensor, settings: MatcherSettings) -> Tensor:
    """Class targets int64 [N, A]: label + 1 for positives, 0 for mined background, -1 for ignored anchors.

    The negatives are the hardest: ``difficulty`` float32 [N, A], not negative, is larger the less probable
    the network thinks background (ties: lowest anchor).
    """
    is_positive = matches.object_index >= 0
    if labels.shape[1] == 0:
        foreground = matches.object_index
    else:
        foreground = labels.gather(1, matches.object_index.clamp(min=0)) + 1
    if settings.negative_mining_ratio > 0:
        is_negative = _hardest(difficulty, ~is_positive & matches.is_far, matches, settings)
    else:
        is_negative = ~is_positive
        if not settings.train_images_without_objects:
            is_negative &= (labels >= 0).any(dim=1, keepdim=True)
    return torch.where(is_positive, foreground, is_negative.long() - 1)


def _hardest(difficulty: Tensor, is_candidate: Tensor, matches: Matches, settings: MatcherSettings) -> Tensor:
    """Mask bool [N, A] of the hardest candidates, as many as each image may have."""
    num_anchors = difficulty.shape[1]
    count = _negatives_per_image((matches.object_index >= 0).sum(dim=1), num_anchors, settings)
    # Floats from +0 up sort like their bits; the index below them makes every key different.
    index = torch.arange(num_anchors - 1, -1, -1, device=difficulty.device)
    bits = difficulty.masked_fill(~is_candidate, -1.0).view(torch.int32)
    key = bits.long().bitwise_left_shift_(32).bitwise_or_(index)
    # Reading the longest count would make an accelerator wait, so there all anchors are sorted.
    longest = max(int(count.max()), 1) if difficulty.device.type == "cpu" else num_anchors
    hardest_key, hardest = key.topk(min(longest, num_anchors), dim=1)
    rank = torch.arange(hardest.shape[1], device=difficulty.device)
    return torch.zeros_like(is_candidate).scatter_(1, hardest, (rank < count.unsqueeze(1)) & (hardest_key >= 0))


def _negatives_per_image(num_positive: Tensor, num_anchors: int, settings: MatcherSettings) -> Tensor:
    """How many negatives each image may have: int64 [N]."""
    count = (num_positive * settings.negative_mining_ratio).long()
    is_empty = num_positive == 0
    if settings.train_images_without_objects:
        average = num_positive.sum() / (~is_empty).sum().clamp(min=1)
        share = (average.clamp(min=1.0) * settings.negative_mining_ratio).long()
        count = torch.where(is_empty, torch.maximum(share, count), count)
    else:
        count = count.masked_fill(is_empty, 0)
    return torch.minimum(count, num_anchors - num_positive)
