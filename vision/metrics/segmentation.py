"""The evaluation of masks by the pixels of all images: mean IoU, pixel accuracy, figures of each class.

Legend: n images, C classes, m kinds of pixels (class and prediction) that an image has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.metrics.bootstrap import PlainWords
from vision.metrics.confusion import DecisionCounts
from vision.metrics.evaluation import Curves, Evaluation, Matrix, Table

MOST_CONFUSED_PAIRS = 20
# Of each class, beside those of the whole.
CLASS_METRIC = "IoU"
METRICS = ("mIOU", "mIOU_present", "pixel_accuracy")


def pixel_confusions(predicted: Tensor, masks: Tensor, num_classes: int, ignored: int) -> Tensor:
    """Count the pixels of each image, int64 [n,C,C] on the masks' device; rows are the truth.

    ``predicted`` integers [n,H,W] are class ids; ``masks`` uint8 [n,H,W] are class ids or ``ignored``.
    """
    count, cells = len(masks), num_classes**2
    image = torch.arange(count, device=masks.device, dtype=torch.int32).view(-1, 1, 1) * cells
    cell = image + masks.int() * num_classes + predicted.int()
    # What is ignored falls behind the last cell.
    cell = torch.where(masks == ignored, count * cells, cell)
    counts = torch.bincount(cell.flatten(), minlength=count * cells + 1)[:-1]
    return counts.view(count, num_classes, num_classes)


class PixelCounts:
    """The confusions of many images, of which each holds few kinds of pixels.

    ``per_image`` are int64 [m,2]: the cell of the confusion, truth * C + prediction, and its count.
    """

    def __init__(self, per_image: Sequence[np.ndarray], num_classes: int) -> None:
        self.num_images = len(per_image)
        self.num_classes = num_classes
        rows = np.concatenate([np.empty((0, 2), np.int64), *per_image])
        self._cells, self._counts = rows[:, 0], rows[:, 1]
        self._images = np.repeat(np.arange(len(per_image)), [len(row) for row in per_image])

    @staticmethod
    def sparse(confusion: np.ndarray) -> np.ndarray:
        """Return the cells of a confusion int64 [C,C] that are not 0, int64 [m,2]."""
        flat = confusion.ravel()
        cells = np.flatnonzero(flat)
        return np.stack([cells, flat[cells]], axis=1).astype(np.int64)

    def confusion(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Add up the images, each as often as its weight says: int64 [C,C], with weights float64."""
        # Doubles hold counts up to 2**53 exactly.
        counts = self._counts.astype(np.float64) if weights is None else self._counts * weights[self._images]
        total = np.bincount(self._cells, counts, self.num_classes**2).reshape(self.num_classes, self.num_classes)
        return total.round().astype(np.int64) if weights is None else total

    def image_ious(self) -> np.ndarray:
        """Return the mean IoU of each image over the classes in its truth or prediction, float64 [n]; NaN of none."""
        ious = np.full(self.num_images, np.nan)
        starts = np.searchsorted(self._images, np.arange(self.num_images + 1))
        for image in range(self.num_images):
            rows = slice(starts[image], starts[image + 1])
            truth, predicted = np.divmod(self._cells[rows], self.num_classes)
            counts = self._counts[rows]
            present, places = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
            if len(present):
                right = np.bincount(places[: len(counts)], counts * (truth == predicted), len(present))
                either = np.bincount(places, np.tile(counts, 2), len(present)) - right
                ious[image] = (right / either).mean()
        return ious


def mean_iou(confusion: np.ndarray) -> float:
    """Return the IoU averaged over all classes of a confusion [C,C]; a class without a pixel counts as 0.

    This is the rule of Gluon CV and SageMaker.
    """
    return float(np.nan_to_num(DecisionCounts.of_confusion(confusion).iou()).mean())


def mean_iou_present(confusion: np.ndarray) -> float:
    """Return the IoU averaged over the classes that the truth has; NaN if it has none."""
    counts = DecisionCounts.of_confusion(confusion)
    return counts.macro(counts.iou())


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Return the share of the pixels that have their true class; 0 of none."""
    return float(np.trace(confusion) / max(confusion.sum(), 1))


def segmentation_metrics(confusion: np.ndarray) -> dict[str, float]:
    """Return the figures of all classes by name, ``METRICS``."""
    values = mean_iou(confusion), mean_iou_present(confusion), pixel_accuracy(confusion)
    return dict(zip(METRICS, values, strict=True))


class WeightedSegmentation:
    """The figures as functions of how often each image counts: see ``ImageMetrics``."""

    names: tuple[str, ...] = METRICS
    class_metric = CLASS_METRIC

    def __init__(self, counts: PixelCounts) -> None:
        self._counts = counts
        pixels = counts.confusion().sum(axis=1)
        # Labeled as one class, that class has its share of the pixels as IoU, and each other has none.
        share = float(pixels.max() / pixels.sum()) if pixels.any() else float("nan")
        self.words = PlainWords(
            "Mean IoU is {figure} on {images}; 100 % is every pixel in its class",
            "Labeling every pixel as the largest class",
            share / counts.num_classes,
        )

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return the figures float64 [3 + C] with image i counted ``weights[i]`` times."""
        confusion = self._counts.confusion(weights)
        ious = DecisionCounts.of_confusion(confusion).iou()
        return np.array([*segmentation_metrics(confusion).values(), *ious])


def evaluation_of_segmentation(counts: PixelCounts, class_names: Sequence[str]) -> Evaluation:
    """Evaluate the pixels of all images."""
    names = tuple(class_names)
    assert len(names) == counts.num_classes, (len(names), counts.num_classes)
    confusion = counts.confusion()
    decisions = DecisionCounts.of_confusion(confusion)
    absent = [name for name, pixels in zip(names, decisions.support, strict=True) if not pixels]
    notes = (f"No pixel is labeled {', '.join(absent)}: what has no pixel counts as 0 in mean IoU.",) if absent else ()
    return Evaluation(
        num_images=counts.num_images,
        metrics=segmentation_metrics(confusion),
        class_names=names,
        tables=(_per_class(decisions, names), _most_confused(confusion, names)),
        matrices=(Matrix("Confusion of pixels", names, names, confusion),),
        curves=(_images_by_iou(counts.image_ious()),),
        notes=notes,
    )


def _per_class(decisions: DecisionCounts, names: tuple[str, ...]) -> Table:
    columns = (CLASS_METRIC, "precision", "recall", "share of pixels")
    shares = decisions.support / max(decisions.support.sum(), 1)
    ratios = np.stack([decisions.iou(), decisions.precision(), decisions.recall(), shares], axis=1)
    rows = tuple(
        (name, *(None if np.isnan(value) else value for value in row), pixels)
        for name, row, pixels in zip(names, ratios.tolist(), decisions.support.tolist(), strict=True)
    )
    return Table("Per class", ("class", *columns, "pixels"), rows, shares=columns)


def _most_confused(confusion: np.ndarray, names: tuple[str, ...]) -> Table:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED_PAIRS]
    pixels = confusion.sum(axis=1)
    rows = tuple(
        (names[truth], names[predicted], int(wrong[truth, predicted]), float(wrong[truth, predicted] / pixels[truth]))
        for truth, predicted in (divmod(int(cell), len(names)) for cell in order)
        if wrong[truth, predicted]
    )
    return Table("Most confused", ("truth", "predicted", "pixels", "share of truth"), rows, shares=("share of truth",))


def _images_by_iou(ious: np.ndarray) -> Curves:
    """The IoU of the images, from the worst to the best."""
    ordered = np.sort(ious[~np.isnan(ious)])
    share = (np.arange(len(ordered)) + 1) / max(len(ordered), 1)
    return Curves(
        "Images by IoU", "share of images, the worst first", "mean IoU of the image", {"IoU": (share, ordered)}
    )
