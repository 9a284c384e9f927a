"""Average precision as COCO defines it, counted by torchmetrics.

Legend: D and M detections and objects of one image.
"""

from __future__ import annotations

import logging

import numpy as np

from vision.metrics.average_precision import DetectionRecords


def coco_precision(records: DetectionRecords) -> dict[str, float]:
    """``coco_mAP`` (mean over IoU 0.5, 0.55, ..., 0.95), ``coco_mAP_50`` and ``coco_mAP_75``; 0 without objects.

    Difficult objects stand where COCO has crowds: they need not be found, and what falls on them is not counted.
    """
    from torchmetrics.detection import MeanAveragePrecision

    # It reports every figure of every call.
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)
    metric = MeanAveragePrecision(backend="faster_coco_eval")
    metric.warn_on_many_detections = False
    metric.update(*_lists(DetectionRecords.merge([records])))
    found = metric.compute()
    # -1 is COCO's word for undefined.
    return {f"coco_{ours}": max(float(found[theirs]), 0.0) for ours, theirs in _NAMES.items()}


_NAMES = {"mAP": "map", "mAP_50": "map_50", "mAP_75": "map_75"}


def _lists(records: DetectionRecords) -> tuple[list[dict], list[dict]]:
    """What torchmetrics takes: one dictionary of tensors for each image, detections [D] and objects [M]."""
    import torch

    detection, truth = (
        np.searchsorted(column, np.append(records.image_indices, np.iinfo(np.int64).max))
        for column in (records.detection_image, records.truth_image)
    )
    predictions, targets = [], []
    for i in range(len(records.image_indices)):
        found = slice(detection[i], detection[i + 1])
        predictions.append(
            {
                "boxes": torch.from_numpy(records.detection_boxes[found]),
                "scores": torch.from_numpy(records.detection_scores[found]),
                "labels": torch.from_numpy(records.detection_labels[found]),
            }
        )
        here = slice(truth[i], truth[i + 1])
        targets.append(
            {
                "boxes": torch.from_numpy(records.truth_boxes[here]),
                "labels": torch.from_numpy(records.truth_labels[here]),
                "iscrowd": torch.from_numpy(records.truth_difficult[here].astype(np.int64)),
            }
        )
    return predictions, targets
