"""A quick look at training data, at labels and headers of images alone, by which settings are chosen.

Legend: N images looked at, M objects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.counting import count_classes
from vision.data.image_codec import image_size
from vision.data.labels import Task, class_counts, read_label, task_of
from vision.data.sample import Reader, Sized
from vision.settings.errors import DataError

# Labels and headers of this many images, from all over the data, stand for the rest.
LOOKED_AT = 200


@dataclass(frozen=True)
class DataLook:
    """What training data hold: ``num_images`` with labels of ``task``, of ``num_classes`` (0: not counted).

    ``sizes_px`` int64 [N, 2] are widths and heights of images whose header could be read, ``box_sides_unit``
    float64 [M] the roots of the areas of boxes as fractions of their image, ``label_width`` the count of numbers in
    the longest packed label, ``class_counts`` int64 [K] those of the looked-at images, or boxes, of each class; empty
    for masks.
    """

    task: Task
    num_images: int
    class_names: tuple[str, ...] | None
    num_classes: int
    sizes_px: np.ndarray
    box_sides_unit: np.ndarray
    label_width: int = 0
    class_counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def median_px(self) -> tuple[int, int]:
        """Width and height of which half of the images have no more; 0 where none could be read."""
        if not len(self.sizes_px):
            return 0, 0
        width, height = np.median(self.sizes_px, axis=0)
        return int(width), int(height)


@dataclass(frozen=True)
class SizeFindings:
    """What the sizes of images say: ``warnings``, and a sentence on the ``num_too_small`` that cannot be trained on."""

    warnings: tuple[str, ...] = ()
    num_too_small: int = 0
    too_small: str = ""


def look_at(reader: Reader) -> DataLook | None:
    """Look at the data of a channel; None if no label can be used."""
    looked = np.unique(np.linspace(0, len(reader) - 1, min(LOOKED_AT, len(reader))).astype(np.int64)).tolist()
    tasks: Counter[Task] = Counter()
    widths, sides, sizes = [0], [np.zeros(0)], []
    labels: list[tuple[int, ...] | ObjectRows] = []
    for index in looked:
        try:
            raw = reader.target(index)
            task = task_of(raw)
            if task is not None:
                tasks[task] += 1
            if task is not None and task != "mask":
                labels.append(label := read_label(raw, ""))
                if isinstance(label, ObjectRows):
                    sides.append(label.sides_unit)
                    widths.append(label.label_width)
            sizes.append(_size_px(reader, index))
        except DataError:
            continue
    if not tasks:
        return None
    # One image with several classes is enough: images with one have them in the same form.
    found = "multi" if tasks["multi"] else tasks.most_common(1)[0][0]
    # Counting the classes of masks decodes them all, which training does later anyway.
    counted = found != "mask" or reader.class_names is not None
    return DataLook(
        found,
        len(reader),
        reader.class_names,
        count_classes(reader) if counted else 0,
        np.array(sizes, np.int64).reshape(-1, 2),
        np.concatenate(sides),
        max(widths),
        class_counts(labels),
    )


def _size_px(reader: Reader, index: int) -> tuple[int, int]:
    return reader.image_size_px(index) if isinstance(reader, Sized) else image_size(reader[index].encoded, "")
