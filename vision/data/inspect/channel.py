"""Inspect one channel: gather its records, and find problems in its images and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from vision.data.boxes.image_size import Fit, SizeTally, size_message
from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.box_issues import box_issues
from vision.data.inspect.issues import MOST_NAMED, InspectedChannel, Issue, Place, Severity
from vision.data.inspect.scan import Part, scan
from vision.data.labels import class_counts, task_of
from vision.data.masks.label_map import PLAIN, LabelMap
from vision.data.problems import EqualProblems
from vision.data.sample import Reader, Remarking
from vision.settings.counted import counted

# A class this many times rarer than the most frequent one is hard to learn without help.
RARE_TIMES = 20
# Kinds of problems that an issue names.
_KINDS = 3


def inspect_channel(
    name: str, reader: Reader, workers: int, advance: Callable[[int], None], label_map: LabelMap = PLAIN
) -> InspectedChannel:
    """Read every record of a channel; ``advance`` is called with the number of records read.

    ``label_map`` says what the pixels of masks mean.
    """
    has_masks = len(reader) > 0 and task_of(reader.target(0)) == "mask"
    parts: list[Part] = []
    for part in scan(reader, workers, label_map):
        parts.append(part)
        advance(len(part.sizes_px))
    labels = [label for part in parts for label in part.labels]
    with_boxes = sum(isinstance(label, ObjectRows) for label in labels)
    usable = sum(label is not None for label in labels)
    task: Literal["boxes", "classes"] = "boxes" if 2 * with_boxes > usable else "classes"
    mixed = [index for index, label in enumerate(labels) if label is not None and _is_boxes(label) != (task == "boxes")]
    kept = [None if label is None or _is_boxes(label) != (task == "boxes") else label for label in labels]
    channel = InspectedChannel(
        name=name,
        class_names=reader.class_names,
        task=task,
        multi_label=any(isinstance(label, tuple) and len(label) != 1 for label in kept),
        sizes_px=np.concatenate([part.sizes_px for part in parts]),
        digests=np.concatenate([part.digests for part in parts]),
        hashes=np.concatenate([part.hashes for part in parts]),
        thumbnails=np.concatenate([part.thumbnails for part in parts]),
        kinds=Counter(kind for part in parts for kind in part.kinds),
        labels=kept,
        class_counts=class_counts(kept),
        pixels=np.sum([part.pixels for part in parts], axis=0) if has_masks else None,
    )
    add = channel.issues.extend
    broken = [pair for part in parts for pair in part.broken_images]
    unusable = [pair for part in parts for pair in part.unusable_labels]
    add(_problems(channel, reader, "broken_image", "images cannot be decoded", broken))
    add(_problems(channel, reader, "unusable_label", "labels cannot be used", unusable))
    other = "classes" if task == "boxes" else "boxes"
    reasons = [(index, f"has {other}, where most have {task}") for index in mixed]
    add(_problems(channel, reader, "other_task", f"labels are {other}, where most are {task}", reasons))
    add(_size_issues(channel, reader, [size for part in parts for size in part.stated_px]))
    if isinstance(reader, Remarking):
        add(Issue("label_meaning", "warning", f"channel {name}: {remark}", len(labels)) for remark in reader.remarks)
    add(_class_issues(channel))
    if has_masks:
        alone = [(index, f"shows {channel.class_name(held[0])} alone") for index, held in _single_classes(kept)]
        add(_problems(channel, reader, "pure_mask", "masks show one class alone", alone, "warning"))
    if task == "boxes":
        add(box_issues(channel, reader))
    return channel


def _is_boxes(label: tuple[int, ...] | ObjectRows) -> bool:
    return isinstance(label, ObjectRows)


def _single_classes(
    labels: Sequence[tuple[int, ...] | ObjectRows | None],
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield index and label of each mask that shows one class."""
    for index, label in enumerate(labels):
        if isinstance(label, tuple) and len(label) == 1:
            yield index, label


def _problems(
    channel: InspectedChannel,
    reader: Reader,
    code: str,
    what: str,
    reasons: list[tuple[int, str]],
    severity: Severity = "error",
) -> list[Issue]:
    if not reasons:
        return []
    named = tuple((Place(channel.name, index, reader.key(index), reason),) for index, reason in reasons[:MOST_NAMED])
    kinds = EqualProblems((reader.key(index), reason) for index, reason in reasons)
    sentence = f"channel {channel.name}: {len(reasons)} of {len(channel)} {what}; {'; '.join(kinds.lines(_KINDS))}"
    return [Issue(code, severity, sentence, len(reasons), named)]


def _size_issues(
    channel: InspectedChannel, reader: Reader, stated_px: Sequence[tuple[float, float] | None]
) -> list[Issue]:
    """Return issues for images that differ in size from what their labels state."""
    tally = SizeTally(len(channel))
    places: dict[Fit, list[Place]] = {Fit.SCALED: [], Fit.OTHER: []}
    for index, stated in enumerate(stated_px):
        width, height = channel.sizes_px[index].tolist()
        if stated is None or not width:
            continue
        fit = tally.add(reader.key(index), stated, (width, height))
        if fit is not Fit.EQUAL and len(places[fit]) < MOST_NAMED:
            places[fit].append(Place(channel.name, index, reader.key(index), size_message(stated, (width, height))))
    found = []
    if tally.problem:
        groups = tuple((place,) for place in places[Fit.OTHER])
        text = f"channel {channel.name}: {tally.problem}"
        found.append(Issue("image_size_differs", "error", text, tally.other, groups))
    if tally.warning:
        groups = tuple((place,) for place in places[Fit.SCALED])
        text = f"channel {channel.name}: {tally.warning}"
        found.append(Issue("image_size_scaled", "warning", text, tally.scaled, groups))
    return found


def _class_issues(channel: InspectedChannel) -> list[Issue]:
    counts = channel.class_counts
    named = len(channel.class_names or ())
    present = counts[counts > 0]
    found = []
    if not present.size:
        return [Issue("no_class", "error", f"channel {channel.name}: not one label names a class", len(channel))]
    absent = [
        class_id for class_id in range(max(len(counts), named)) if class_id >= len(counts) or not counts[class_id]
    ]
    if absent:
        shown = ", ".join(channel.class_name(class_id) for class_id in absent[:10]) + (
            ", ..." if len(absent) > 10 else ""
        )
        hint = ""
        if absent == [0] and not named:
            hint = "; if classes are counted from 1, subtract 1 from each"
        sentence = f"channel {channel.name}: {counted(len(absent), 'class')} that no label names: {shown}{hint}"
        found.append(Issue("absent_class", "warning", sentence, len(absent)))
    rare = [class_id for class_id in np.flatnonzero(counts).tolist() if counts[class_id] * RARE_TIMES < counts.max()]
    if rare:
        shown = ", ".join(f"{channel.class_name(class_id)} {counts[class_id]}" for class_id in rare[:10])
        sentence = (
            f"channel {channel.name}: {counted(len(rare), 'class')} more than {RARE_TIMES} times rarer than "
            f"{channel.class_name(int(counts.argmax()))} with {counts.max()}: {shown}"
        )
        found.append(Issue("rare_class", "warning", sentence, len(rare)))
    return found
