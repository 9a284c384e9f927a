"""Count the images and classes of the training channel, which SageMaker's users must state."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.labels import numbers, read_label, task_of
from vision.data.masks.label_map import MOST_CLASSES, PLAIN, LabelMap, read_label_map
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import IGNORED
from vision.data.readers.class_names import MAX_CLASS_ID
from vision.data.readers.open import open_channel
from vision.data.sample import RawTarget, Reader, Tabular
from vision.progress_bar import progress_bar
from vision.settings.channels import LABEL_MAP, parse_channels
from vision.settings.errors import DataError, SettingsError
from vision.settings.hyperparameters import missing_counts

# Masks of background alone still tell it from something that they do not show.
_LEAST_MASK_CLASSES = 2


def with_counts(
    hyperparameters: Mapping[str, object],
    channels: Mapping[str, object],
    label_suffixes: Sequence[str] = (),
    *,
    shows_progress: bool = True,
) -> dict[str, object]:
    """Return the hyperparameters, with the counts that were left out taken from the ``train`` channel.

    ``num_training_samples`` is its number of images, ``num_classes`` that of its class names or else of the classes
    that its labels tell. What cannot be counted stays out, for the check of the settings to name, as do the channels
    that are set wrongly. ``label_suffixes`` are those of ``open_channel``. Raises UserError where the channel cannot
    be opened.
    """
    values = dict(hyperparameters)
    missing = missing_counts(values)
    if not missing:
        return values
    try:
        located = parse_channels(channels, ("train",))
    except SettingsError:
        return values
    reader = open_channel(located, "train", label_suffixes=label_suffixes)
    if "num_classes" in missing:
        label_map = located[LABEL_MAP].path if LABEL_MAP in located else None
        values["num_classes"] = count_classes(
            reader, read_label_map(label_map, "train", MOST_CLASSES), shows_progress=shows_progress
        )
    if "num_training_samples" in missing:
        values["num_training_samples"] = len(reader)
    return {name: value for name, value in values.items() if name not in missing or value}


def print_counts(given: Mapping[str, object], settled: Mapping[str, object]) -> None:
    """Print what was counted on stderr, in the first process of a run only."""
    line = counted_line(given, settled)
    if line is not None and os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"vision: {line}", file=sys.stderr)


def counted_line(given: Mapping[str, object], settled: Mapping[str, object]) -> str | None:
    """Return a line that says what was counted; None if all was given. ``settled`` holds the values that hold now."""
    counted = [f"hp.{name}={settled[name]}" for name in missing_counts(given) if settled.get(name)]
    return f"counted in channel 'train': {' '.join(counted)}" if counted else None


def count_classes(reader: Reader, label_map: LabelMap = PLAIN, *, shows_progress: bool = True) -> int:
    """Return the number of class names, else of the classes that the labels tell; 0 if they tell none.

    ``label_map`` says what the pixels of masks mean.
    """
    if reader.class_names is not None:
        return len(reader.class_names)
    matrix = reader.targets_matrix() if isinstance(reader, Tabular) else None
    if matrix is not None and matrix.shape[1] == 1:
        # All at once: as labels that are looked at one by one, but in no time.
        return _classes_up_to(matrix[:, 0])
    most = 0
    with progress_bar("counting classes", len(reader), shown=shows_progress) as advance:
        for index in range(len(reader)):
            # Labels that cannot be read are named where they are judged.
            with suppress(DataError):
                most = max(most, least_classes_of(reader.target(index), label_map))
            advance(1)
    return most


def least_classes_of(label: RawTarget, label_map: LabelMap = PLAIN) -> int:
    """Return the least number of classes by one label: its columns, or its greatest class id plus one."""
    try:
        if isinstance(label, bytes):
            ids = np.unique(MaskDecoder(MOST_CLASSES, label_map)(label, ""))
            return max(_classes_up_to(ids[ids != IGNORED]), _LEAST_MASK_CLASSES)
        if task_of(label) == "multi" and not isinstance(label, tuple):
            return numbers(label, "").size
        held = read_label(label, "")
    except DataError:
        # Said where labels are judged.
        return 0
    return _classes_up_to(held.class_ids if isinstance(held, ObjectRows) else held)


def _classes_up_to(class_ids: np.ndarray | Iterable[int]) -> int:
    """Return the greatest valid id plus one; 0 if there is none."""
    ids = np.rint(np.asarray(class_ids if isinstance(class_ids, np.ndarray) else tuple(class_ids), np.float64))
    sound = ids[np.isfinite(ids) & (ids >= 0) & (ids <= MAX_CLASS_ID)]
    return int(sound.max()) + 1 if sound.size else 0
