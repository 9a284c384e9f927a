"""Counts the pixels of every image of a channel and evaluates them. Legend: N batch, n images, C classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.semantic_segmentation.network import SegmentationOutput
from vision.data.masks.mask_png import IGNORED, class_colors
from vision.data.masks.mask_tint import IGNORED_RGBA, tint
from vision.metrics.evaluation import Evaluation, Example, Gallery, Overlay
from vision.metrics.segmentation import (
    PixelCounts,
    WeightedSegmentation,
    evaluation_of_segmentation,
    pixel_confusions,
)

MOST_EXAMPLES = 16
_WRONG_RGBA, _RIGHT_RGBA = (239, 68, 68, 220), (0, 0, 0, 120)
# Masks that are shown are thinned out to at most that, in pixels.
_SHOWN_SIDE_PX = 240
_PICTURES = (
    "Pictures of the best and the worst images show the image and its truth, and below them the prediction and where it"
    " is wrong (red) or not counted (grey). Their IoU is the mean over the classes in the image."
)


@dataclass(frozen=True)
class _Seen:
    """The masks of an image for a picture: uint8 [2, h, w], truth and prediction; its IoU is the mean over classes."""

    index: int
    iou: float
    masks: np.ndarray


class SegmentationEvaluator:
    """Keeps the confusion of each image, on the host, and the masks of those with the best and the worst IoU."""

    def __init__(self, class_names: tuple[str, ...], key_of: Callable[[int], str]) -> None:
        self.class_names = class_names
        self.key_of = key_of
        self._indices: list[int] = []
        self._counts: list[np.ndarray] = []
        self._shown: list[_Seen] = []

    def update(self, outputs: SegmentationOutput, masks: Tensor, indices: Tensor) -> None:
        """Take in logits [N,C,H,W] and the masks uint8 [N,H,W] of the images with these indices int64 [N]."""
        predicted = outputs.logits.argmax(dim=1).to(torch.uint8)
        # Waits for the device: C * C counts of every image are more than it should hold until the end.
        confusions = pixel_confusions(predicted, masks, len(self.class_names), IGNORED).cpu().numpy()
        counts = [PixelCounts.sparse(confusion) for confusion in confusions]
        step = -(-max(masks.shape[1:]) // _SHOWN_SIDE_PX)
        small = torch.stack([masks, predicted], dim=1)[:, :, ::step, ::step].cpu().numpy()
        ious = PixelCounts(counts, len(self.class_names)).image_ious()
        seen = [_Seen(*one) for one in zip(indices.tolist(), ious.tolist(), small, strict=True)]
        self._shown = _ends([*self._shown, *seen])
        self._indices += indices.tolist()
        self._counts += counts

    def arrays(self) -> dict[str, np.ndarray]:
        """Return ``index`` int64 [n], ``counts`` of objects int64 [m,2], ``masks`` of objects, None if not shown."""
        if not self._indices:
            return {}
        masks = {one.index: one.masks for one in self._shown}
        return {
            "index": np.array(self._indices, np.int64),
            "counts": _objects(self._counts),
            "masks": _objects([masks.get(index) for index in self._indices]),
        }

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        """Return the evaluation of all images, with the best and the worst of them."""
        counts = PixelCounts(arrays["counts"].tolist(), len(self.class_names))
        found = zip(arrays["index"].tolist(), counts.image_ious().tolist(), arrays["masks"].tolist(), strict=True)
        seen = sorted((_Seen(*one) for one in found if one[2] is not None), key=_by_iou)
        # No image is among both.
        worst, best = seen[: len(seen) // 2][:MOST_EXAMPLES], seen[len(seen) // 2 :][::-1][:MOST_EXAMPLES]
        legend = self._legend([*worst, *best])
        galleries = tuple(
            Gallery(title, self._examples(part), legend, of_mistakes=part is worst)
            for title, part in (("Worst images", worst), ("Best images", best))
        )
        evaluation = evaluation_of_segmentation(counts, self.class_names)
        return replace(
            evaluation, galleries=galleries, notes=(*evaluation.notes, _PICTURES) if seen else evaluation.notes
        )

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> WeightedSegmentation:
        """Return the figures as functions of how often each image counts."""
        return WeightedSegmentation(PixelCounts(arrays["counts"].tolist(), len(self.class_names)))

    def _examples(self, seen: Iterable[_Seen]) -> tuple[Example, ...]:
        return tuple(
            Example(one.index, self.key_of(one.index), f"IoU {one.iou:.2f}", overlays=overlays(*one.masks))
            for one in seen
        )

    def _legend(self, seen: Iterable[_Seen]) -> tuple[tuple[str, tuple[int, int, int]], ...]:
        """Return name and color of each class that pictures show; the first class lets the image through."""
        present = np.unique(np.concatenate([np.zeros(1, np.uint8), *(one.masks.ravel() for one in seen)]))
        colors = class_colors(len(self.class_names)).tolist()
        return tuple(
            (self.class_names[class_id], (red, green, blue))
            for class_id, (red, green, blue) in enumerate(colors)
            if class_id and class_id in present
        )


def _ends(seen: list[_Seen]) -> list[_Seen]:
    """Return the images with the lowest and the highest IoU, as many of each as are shown."""
    ordered = sorted((one for one in seen if not np.isnan(one.iou)), key=_by_iou)
    return ordered if len(ordered) <= 2 * MOST_EXAMPLES else ordered[:MOST_EXAMPLES] + ordered[-MOST_EXAMPLES:]


def _by_iou(one: _Seen) -> tuple[float, int]:
    return one.iou, one.index


def _objects(values: Iterable[object]) -> np.ndarray:
    """Return an array with one element for each value, whatever its shape."""
    held = list(values)
    column = np.empty(len(held), object)
    for place, value in enumerate(held):
        column[place] = value
    return column


def overlays(truth: np.ndarray, predicted: np.ndarray) -> tuple[Overlay, Overlay, Overlay]:
    """Return the pictures of two masks uint8 [h, w]: the truth, the prediction, and where they differ.

    Class 0, mostly the background, lets the image through. In the difference, what is wrong is red, what is right dark
    and what is ignored grey.
    """
    difference = np.empty((*truth.shape, 4), np.uint8)
    difference[:] = _RIGHT_RGBA
    difference[predicted != truth] = _WRONG_RGBA
    difference[truth == IGNORED] = IGNORED_RGBA
    return Overlay(tint(truth)), Overlay(tint(predicted)), Overlay(difference)
