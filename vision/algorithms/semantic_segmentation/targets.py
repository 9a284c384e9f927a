"""Masks of a channel: how they are decoded, joined to batches and looked at before training."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from vision.algorithms.algorithm import LabeledChannel, TargetSummary
from vision.data.masks.label_map import read_label_map
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.problems import EqualProblems
from vision.data.readers.class_names import class_name
from vision.settings.channels import LABEL_MAP
from vision.settings.device import usable_cores
from vision.settings.errors import DataError

SHOWN = 5


def mask_decoder(source: LabeledChannel, num_classes: int) -> MaskDecoder:
    """Return the function (bytes of a PNG, key) -> uint8 [H, W]. Raises DataError for a wrong label map."""
    folder = source.channels[LABEL_MAP].path if LABEL_MAP in source.channels else None
    return MaskDecoder(num_classes, read_label_map(folder, source.name, num_classes))


def collate_masks(masks: Sequence[np.ndarray]) -> Tensor:
    """Join masks uint8 [H, W] of one size to uint8 [N, H, W]."""
    return torch.from_numpy(np.stack(masks))


def summarize_masks(source: LabeledChannel, decoder: MaskDecoder) -> TargetSummary:
    """Count the pixels of each class; masks that cannot be used become one problem that names the first of each kind.

    A mask with nothing but ignored pixels is one that training learns nothing from, and a warning.
    """
    reader, num_classes = source.reader, decoder.num_classes
    counts = np.zeros(256, np.float64)
    unusable, num_empty, first_empty = EqualProblems(), 0, ""

    def count(index: int) -> np.ndarray | DataError:
        try:
            mask = decoder(reader.target(index), reader.key(index))
        except DataError as error:
            return error
        return np.bincount(mask.ravel(), minlength=256)

    # Decoding releases Python's lock.
    with ThreadPoolExecutor(usable_cores()) as pool:
        for index, found in enumerate(pool.map(count, range(len(reader)))):
            if isinstance(found, DataError):
                unusable.add(found.key, found.reason)
                continue
            if not found[:num_classes].any():
                num_empty, first_empty = num_empty + 1, first_empty or reader.key(index)
            counts += found
    problems, warnings = [], []
    if unusable.count:
        shown = "; ".join(unusable.lines(SHOWN))
        problems.append(f"{unusable.count} of {len(reader)} masks cannot be used: {shown}")
    if num_empty:
        warnings.append(f"{num_empty} masks have only pixels that are ignored, the first is {first_empty}")
    absent = np.flatnonzero(counts[:num_classes] == 0)
    if not problems and absent.size:
        listed = ", ".join(class_name(reader.class_names, class_id) for class_id in absent[:SHOWN].tolist())
        dots = ", ..." if absent.size > SHOWN else ""
        warnings.append(
            f"no pixel has the class {listed}{dots}, of {num_classes} classes: in validation such a class counts as 0"
            " in mIOU"
        )
    return TargetSummary(
        num_samples=len(reader),
        class_counts=counts[:num_classes],
        class_names=reader.class_names,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )
