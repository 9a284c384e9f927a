"""Hard negative mining: which anchors train as background (MXNet's MultiBoxTarget).

Legend: N batch, A anchors, M padded objects, K classes incl. background. Nothing here loops over images or waits for
the device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.object_detection.matcher import MatcherSettings, Matches

# The class target of an anchor that is not trained.
IGNORED = -1
# Small, so that ``difficulty`` is finite as long as the probability is a float32, be it subnormal.
DIFFICULTY_UNIT = 2.0**-22
_LOG2_E = math.log2(math.e)
_ROWS_IN_CACHE = 32768


def difficulty(class_logits: Tensor) -> Tensor:
    """Return how wrong a negative is: DIFFICULTY_UNIT / (probability of background), float32 [N, A], logits [N, A, K].

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
    """Return class targets int64 [N, A]: label + 1 for positives, 0 for mined background, -1 for ignored anchors.

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
    """Return a mask bool [N, A] of the hardest candidates, as many as each image may have."""
    count = _negatives_per_image((matches.object_index >= 0).sum(dim=1), difficulty.shape[1], settings)
    # Floats from +0 up sort like their bits.
    bits = difficulty.masked_fill(~is_candidate, -1.0).view(torch.int32)
    if bits.device.type == "cpu":
        return torch.from_numpy(largest(bits.numpy(), count.unsqueeze(1).numpy()))
    return largest_on_device(bits, count.unsqueeze(1))


def largest(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return a mask bool [N, A] of the ``count`` [N, 1] largest values int32 [N, A] from 0 up (ties: the first).

    NumPy finds the least of them in a twentieth of the time that torch takes to list them all.
    """
    longest = max(int(count.max()), 1)
    ascending = np.sort(np.partition(values, -longest, axis=1)[:, -longest:], axis=1)
    least = np.take_along_axis(ascending, (longest - count).clip(max=longest - 1), axis=1)
    is_largest = (values >= np.maximum(least, 0)) & (count > 0)
    if (np.count_nonzero(is_largest, axis=1, keepdims=True) > count).any():
        is_least = values == least
        left = count - np.count_nonzero(values > least, axis=1, keepdims=True)
        is_largest &= ~is_least | (is_least.cumsum(axis=1) <= left)
    return is_largest


def largest_on_device(values: Tensor, count: Tensor) -> Tensor:
    """Return what ``largest`` returns. Reading a count would make an accelerator wait, so all values are sorted."""
    num_values = values.shape[1]
    # The index below them makes every key different.
    index = torch.arange(num_values - 1, -1, -1, device=values.device)
    keys, order = values.long().bitwise_left_shift_(32).bitwise_or_(index).topk(num_values, dim=1)
    is_largest = (torch.arange(num_values, device=values.device) < count) & (keys >= 0)
    return torch.zeros_like(is_largest).scatter_(1, order, is_largest)


def _negatives_per_image(num_positive: Tensor, num_anchors: int, settings: MatcherSettings) -> Tensor:
    """Return how many negatives each image may have: int64 [N]."""
    count = (num_positive * settings.negative_mining_ratio).long()
    is_empty = num_positive == 0
    if settings.train_images_without_objects:
        average = num_positive.sum() / (~is_empty).sum().clamp(min=1)
        share = (average.clamp(min=1.0) * settings.negative_mining_ratio).long()
        count = torch.where(is_empty, torch.maximum(share, count), count)
    else:
        count = count.masked_fill(is_empty, 0)
    return torch.minimum(count, num_anchors - num_positive)
