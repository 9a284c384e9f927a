"""Looks at all boxes of a channel before training starts. Legend: K classes, M objects of a chunk of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vision.algorithms.algorithm import TargetSummary
from vision.algorithms.object_detection.targets import BoxLabelParser
from vision.data.boxes.box_errors import Fault, fault_message, find_faults, is_fatal, is_kept
from vision.data.boxes.image_size import compare_sizes
from vision.data.boxes.object_rows import ObjectRows
from vision.data.labels import read_objects
from vision.data.problems import EqualProblems
from vision.data.readers.class_names import class_name
from vision.data.sample import Reader
from vision.settings.errors import DataError

SHOWN = 5
# Images whose boxes are judged at once: bounds the working memory.
CHUNK_IMAGES = 8192
# More inverted boxes than this are no slips: the numbers mean something else.
MOST_INVERTED = 0.05

_COUNTED = {
    Fault.PARTLY_OUTSIDE: "cross the border of their image",
    Fault.OUTSIDE: "lie outside their image",
    Fault.NO_AREA: "have no area",
    Fault.INVERTED: "end before they begin",
    Fault.CLASS: "have a class that does not exist",
}


@dataclass
class _Tally:
    """What has been seen so far. ``first`` holds the first sentences of each kind, ``longest`` names a record."""

    class_counts: np.ndarray
    unreadable: EqualProblems = field(default_factory=EqualProblems)
    boxes: int = 0
    empty_images: int = 0
    faults: np.ndarray = field(default_factory=lambda: np.zeros(len(Fault), np.int64))
    first: dict[Fault, list[str]] = field(default_factory=dict)
    wrong_ids: set[float] = field(default_factory=set)
    label_width: int = 0
    longest: int = 0


def summarize_labels(reader: Reader, decoder: BoxLabelParser, label_width: int) -> TargetSummary:
    """Count the boxes of each class, every box that is wrong, and images without the size that their label states.

    What ``run.bad_boxes`` mends becomes a warning, anything else a problem. ``label_width`` is the hyperparameter:
    it has no effect here, so that labels longer than it are a warning, too.
    """
    tally = _Tally(np.zeros(decoder.num_classes))
    for start in range(0, len(reader), CHUNK_IMAGES):
        _count(reader, range(start, min(start + CHUNK_IMAGES, len(reader))), decoder, tally)
    problems = [*_unreadable(tally, len(reader)), *_fatal(tally, decoder)]
    if not problems and not tally.class_counts.any():
        problems.append(f"not one of {len(reader)} images has a box that can be used, so there is nothing to detect")
    warnings = [] if problems else _warnings(tally, decoder, label_width, reader)
    sizes = compare_sizes(reader)
    return TargetSummary(
        num_samples=len(reader),
        class_counts=tally.class_counts,
        class_names=reader.class_names,
        problems=(*problems, *([sizes.problem] if sizes.problem else ())),
        warnings=(*warnings, *([sizes.warning] if sizes.warning else ())),
    )


def _count(reader: Reader, indices: range, decoder: BoxLabelParser, tally: _Tally) -> None:
    parts: list[ObjectRows] = []
    images: list[int] = []
    for index in indices:
        try:
            rows = read_objects(reader.target(index), "")
        except DataError as error:
            tally.unreadable.add(error.key or reader.key(index), error.reason)
            continue
        if rows.label_width > tally.label_width:
            tally.label_width, tally.longest = rows.label_width, index
        if not len(rows):
            tally.empty_images += 1
            continue
        parts.append(rows)
        images.append(index)
    if parts:
        _judge(ObjectRows.joined(parts), np.repeat(images, list(map(len, parts))), decoder, tally, reader.key)


def _judge(
    rows: ObjectRows, image: np.ndarray, decoder: BoxLabelParser, tally: _Tally, key_of: Callable[[int], str]
) -> None:
    faults = find_faults(rows, decoder.num_classes)
    kept = is_kept(faults, decoder.bad_boxes)
    tally.class_counts += np.bincount(rows.class_ids[kept].astype(np.int64), minlength=decoder.num_classes)
    tally.boxes += len(rows)
    tally.faults += np.bincount(faults, minlength=len(Fault))
    tally.wrong_ids.update(np.unique(rows.class_ids[faults == Fault.CLASS]).tolist())
    for fault in _COUNTED:
        shown = tally.first.setdefault(fault, [])
        for place in np.flatnonzero(faults == fault)[: SHOWN - len(shown)].tolist():
            index = int(image[place])
            # Boxes are numbered within their image.
            first_of_image = int(np.searchsorted(image, index))
            one = ObjectRows(
                rows.class_ids[first_of_image : place + 1],
                rows.boxes_xyxy_unit[first_of_image : place + 1],
                rows.difficult[first_of_image : place + 1],
                rows.form,
                rows.label_width,
            )
            reason = fault_message(one, place - first_of_image, fault, decoder.num_classes)
            shown.append(str(DataError(key_of(index), reason)))


def _unreadable(tally: _Tally, num_images: int) -> list[str]:
    if not tally.unreadable.count:
        return []
    shown = "; ".join(tally.unreadable.lines(SHOWN))
    return [f"{tally.unreadable.count} of {num_images} labels cannot be used: {shown}"]


def _fatal(tally: _Tally, decoder: BoxLabelParser) -> list[str]:
    problems = []
    for fault, what in _COUNTED.items():
        count = int(tally.faults[fault])
        many_inverted = fault == Fault.INVERTED and count > MOST_INVERTED * tally.boxes
        if count and (bool(is_fatal(np.array(fault), decoder.bad_boxes)) or many_inverted):
            problems.append(f"{count} of {tally.boxes} boxes {what}; first: {'; '.join(tally.first[fault])}")
    if tally.wrong_ids == {float(decoder.num_classes)} and not tally.class_counts[0]:
        problems[-1] = (
            f"class ids run from 1 to {decoder.num_classes} and none is 0, so they seem to be counted from 1: subtract "
            f"1 from each; {problems[-1]}"
        )
    return problems


def _warnings(tally: _Tally, decoder: BoxLabelParser, label_width: int, reader: Reader) -> list[str]:
    warnings = []
    for fault, what in _COUNTED.items():
        if count := int(tally.faults[fault]):
            kept = fault == Fault.PARTLY_OUTSIDE and decoder.bad_boxes == "clip"
            done = "are cut off there" if kept else "are left out"
            warnings.append(
                f"{count} of {tally.boxes} boxes {what} and {done} (run.bad_boxes={decoder.bad_boxes}); "
                f"first: {tally.first[fault][0]}"
            )
    if tally.empty_images:
        warnings.append(
            f"{tally.empty_images} of {len(reader)} images have no boxes: they count as background (MXNet leaves such "
            "images out)"
        )
    if tally.label_width > label_width:
        warnings.append(
            f"{reader.key(tally.longest)} has a label of {tally.label_width} numbers, more than "
            f"hp.label_width={label_width}: nothing is cut off here, but SageMaker needs hp.label_width="
            f"{tally.label_width}"
        )
    return warnings + _class_warnings(tally.class_counts, reader.class_names)


def _class_warnings(class_counts: np.ndarray, names: tuple[str, ...] | None) -> list[str]:
    absent = np.flatnonzero(class_counts == 0)
    if not absent.size:
        return []
    if absent.tolist() == [0]:
        return [
            f"no box has the class 0, but all others from 1 to {len(class_counts) - 1} occur: if classes are counted "
            f"from 1, subtract 1 from each and set hp.num_classes={len(class_counts) - 1}"
        ]
    listed = ", ".join(class_name(names, class_id) for class_id in absent[:SHOWN].tolist()) + (
        ", ..." if absent.size > SHOWN else ""
    )
    return [f"no box has the class {listed}, of {len(class_counts)} classes"]
