"""Masks of a channel: how they are decoded, joined to batches and looked at before training."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.algorithm import LabeledChannel, TargetSummary
from vision.data.masks.label_map import PLAIN, read_label_map
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.pixel_counts import count_pixels
from vision.data.readers.class_names import class_name
from vision.data.sample import Colored
from vision.progress_bar import progress_bar
from vision.settings.channels import LABEL_MAP
from vision.settings.errors import DataError

log = logging.getLogger(__name__)

SHOWN = 5
FEW_MASKS = 64


def mask_decoder(source: LabeledChannel, num_classes: int) -> MaskDecoder:
    """Return the function (bytes of a PNG, key) -> uint8 [H, W]. Raises DataError for a wrong label map or count.

    Where a manifest states the colors of the classes, as Ground Truth does, they count instead of the pixels' values.
    """
    folder = source.channels[LABEL_MAP].path if LABEL_MAP in source.channels else None
    colors = source.reader.color_map if isinstance(source.reader, Colored) else None
    if colors is not None and len(colors.class_names) > num_classes:
        count, names = len(colors.class_names), ", ".join(colors.class_names)
        raise DataError(
            f"channel {source.name}",
            f"has masks of {count} classes, background included ({names[:200]}): set num_classes={count}",
        )
    return MaskDecoder(num_classes, read_label_map(folder, source.name, num_classes), colors)


def log_stream(channel: str, decoder: MaskDecoder, *, measures_crops: bool) -> None:
    """Log how the masks of a channel in Pipe mode are read, which are not looked at before training."""
    _log_label_map(channel, decoder)
    log.info(
        "channel %r is in Pipe mode, which brings no color map of Ground Truth: the values of pixels count as classes",
        channel,
    )
    if channel == "validation" and measures_crops:
        log.info("whole_images_mIOU is not measured beside mIOU: channel 'validation' gives each image once a pass")


def _log_label_map(channel: str, decoder: MaskDecoder) -> None:
    """Log SageMaker's lines."""
    if decoder.label_map is PLAIN:
        log.info("label maps not provided, using defaults.")
    log.info("#label_map %s :%s", channel, dict(decoder.label_map.stated))


def collate_masks(masks: Sequence[np.ndarray]) -> Tensor:
    """Join masks uint8 [H, W] of one size to uint8 [N, H, W]."""
    return torch.from_numpy(np.stack(masks))


def summarize_masks(source: LabeledChannel, decoder: MaskDecoder, *, shows_progress: bool) -> TargetSummary:
    """Count the pixels of each class; masks that cannot be used become one problem that names the first of each kind.

    Masks without a pixel that counts are a problem, as are training masks of 0 and 255 alone, from which background
    would be learned and nothing else. A class without a pixel is a warning. Only the progress of many masks is shown:
    a bar for a few would flicker.
    """
    reader, num_classes = source.reader, decoder.num_classes
    _log_label_map(source.name, decoder)
    has_bar = shows_progress and len(reader) > FEW_MASKS
    with progress_bar(f"counting masks of {source.name}", len(reader), shown=has_bar) as advance:
        counts = count_pixels(reader, decoder, advance)
    problems: list[str] = []
    warnings: list[str] = []
    if counts.num_masks < len(reader):
        shown = "; ".join(counts.problems)
        problems.append(f"{len(reader) - counts.num_masks} of {len(reader)} masks cannot be used: {shown}")
    elif counts.num_masks and not counts.pixels.any():
        problems.append("no pixel of the masks counts: all are 255, or of colors that no class has, and so ignored")
    elif source.name == "train":
        problems += counts.problems
    else:
        warnings += counts.problems
    warnings += counts.remarks
    if counts.absent and not problems:
        listed = ", ".join(class_name(reader.class_names, class_id) for class_id in counts.absent[:SHOWN])
        dots = ", ..." if len(counts.absent) > SHOWN else ""
        warnings.append(
            f"no pixel has the class {listed}{dots}, of {num_classes} classes: in validation such a class counts as 0"
            " in mIOU"
        )
    return TargetSummary(
        num_samples=len(reader),
        class_counts=counts.pixels.astype(np.float64),
        class_names=reader.class_names,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )
