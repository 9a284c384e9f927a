"""Counts what SageMaker asks its users to state: images and classes of the training channel."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from vision.data.readers.open import open_channel
from vision.data.sample import Reader
from vision.settings.channels import parse_channels
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

COUNTED = ("num_training_samples", "num_classes")


def with_counts(hyperparameters: Mapping[str, object], channels: Mapping[str, object]) -> dict[str, object]:
    """The hyperparameters, with the counts that were left out taken from the ``train`` channel.

    ``num_training_samples`` is its number of images; ``num_classes`` that of its class names or, with one label an
    image, its greatest label plus one. What cannot be counted stays out, for the check of the settings to name.
    """
    values = dict(hyperparameters)
    missing = [name for name in COUNTED if values.get(name) in (None, "")]
    if not missing:
        return values
    try:
        reader = open_channel(parse_channels(channels, ("train",)), "train")
    except UserError:
        # Whatever is wrong with the channel is said where the channels are checked.
        return values
    counts = {"num_training_samples": len(reader), "num_classes": count_classes(reader)}
    for name in missing:
        if counts[name]:
            values[name] = counts[name]
            log.info("hp.%s=%d was counted in channel 'train'", name, counts[name])
    return values


def count_classes(reader: Reader) -> int:
    """Number of class names, else greatest label plus one where every image has one label; 0 if neither is known."""
    if reader.class_names is not None:
        return len(reader.class_names)
    matrix = reader.targets_matrix() if hasattr(reader, "targets_matrix") else None
    if matrix is None:
        targets = [reader.target(index) for index in range(len(reader))]
        vectors = [target for target in targets if isinstance(target, np.ndarray) and target.size == 1]
        if not vectors or len(vectors) < len(targets):
            return 0
        matrix = np.concatenate(vectors)
    is_one_label = matrix.size == len(reader) and bool(np.isfinite(matrix).all())
    return int(np.rint(matrix.max())) + 1 if is_one_label and matrix.size else 0
