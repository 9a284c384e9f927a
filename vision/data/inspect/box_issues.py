"""Find problems in the boxes of a channel. Legend: M objects of all images together."""

from __future__ import annotations

import numpy as np

from vision.box_iou import iou_matrix
from vision.data.boxes.box_errors import Fault, find_faults
from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.issues import MOST_NAMED, InspectedChannel, Issue, Place, Severity
from vision.data.sample import Reader

# What a detector at 300 pixels sees of such a box is less than a pixel of its finest feature map.
TINY_SIDE_PX_OF_300 = 5.0
# Boxes of one class that agree this well mark one object twice.
SAME_OBJECT_IOU = 0.9
# Boxes of one image compared with all at once: bounds the memory.
_BLOCK = 256
_KINDS: tuple[tuple[str, Severity, str], ...] = (
    ("box_class", "error", "have a class that is not a whole number from 0"),
    ("box_inverted", "error", "end before they begin"),
    ("box_without_area", "error", "have no area"),
    ("box_outside", "error", "lie outside their image"),
    ("box_partly_outside", "warning", "cross the border of their image"),
    ("box_tiny", "warning", f"have a side below {TINY_SIDE_PX_OF_300:g} pixels when the image is shrunk to 300x300"),
    ("box_twice", "warning", f"overlap an earlier box of their class by more than {SAME_OBJECT_IOU:g} (IoU)"),
)
_FAULTS = {
    "box_class": Fault.CLASS,
    "box_inverted": Fault.INVERTED,
    "box_without_area": Fault.NO_AREA,
    "box_outside": Fault.OUTSIDE,
    "box_partly_outside": Fault.PARTLY_OUTSIDE,
}


def box_issues(channel: InspectedChannel, reader: Reader) -> list[Issue]:
    """Return the issues of a channel's boxes."""
    image, rows = channel.objects()
    found = []
    empty = [index for index, label in enumerate(channel.labels) if isinstance(label, ObjectRows) and not len(label)]
    if empty:
        named = tuple((Place(channel.name, index, reader.key(index)),) for index in empty[:MOST_NAMED])
        sentence = (
            f"channel {channel.name}: {len(empty)} of {len(channel)} images have no boxes and count as background"
        )
        found.append(Issue("image_without_boxes", "warning", sentence, len(empty), named))
    if rows is None:
        return found
    faults = find_faults(rows, 1_000_000)
    sound = faults <= Fault.PARTLY_OUTSIDE
    boxes = rows.boxes_xyxy_unit
    small = ((boxes[:, 2:] - boxes[:, :2]) * 300 < TINY_SIDE_PX_OF_300).any(axis=1)
    masks = {code: faults == fault for code, fault in _FAULTS.items()}
    masks["box_tiny"] = sound & small
    masks["box_twice"] = _marked_twice(image, rows, sound)
    for code, severity, what in _KINDS:
        places = np.flatnonzero(masks[code])
        if places.size:
            named = tuple((_place(channel, reader, image, rows, place),) for place in places[:MOST_NAMED].tolist())
            first = named[0][0]
            sentence = (
                f"channel {channel.name}: {places.size} of {len(rows)} boxes {what}; first: {first.key} {first.detail}"
            )
            found.append(Issue(code, severity, sentence, int(places.size), named))
    return found


def _place(channel: InspectedChannel, reader: Reader, image: np.ndarray, rows: ObjectRows, place: int) -> Place:
    index = int(image[place])
    number = place - int(np.searchsorted(image, index))
    box = rows.boxes_xyxy_unit[place]
    size = np.maximum(channel.sizes_px[index], 1)
    corners = ", ".join(f"{corner:g}" for corner in np.round(box * np.tile(size, 2), 2))
    class_id = rows.class_ids[place]
    name = channel.class_name(int(class_id)) if class_id >= 0 and float(class_id).is_integer() else f"{class_id:g}"
    left, top, right, bottom = (float(corner) for corner in box)
    detail = f"box {number} {name} ({corners}) of {size[0]}x{size[1]}"
    return Place(channel.name, index, reader.key(index), detail, ((left, top, right, bottom),))


def _marked_twice(image: np.ndarray, rows: ObjectRows, sound: np.ndarray) -> np.ndarray:
    """Return whether an earlier box of the same image and class is nearly the same, bool [M]."""
    twice = np.zeros(len(rows), bool)
    bounds = np.flatnonzero(np.diff(image, prepend=-1, append=-1))
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if stop - start < 2:
            continue
        for block in range(start, stop, _BLOCK):
            here = slice(block, min(block + _BLOCK, stop))
            same = iou_matrix(rows.boxes_xyxy_unit[here], rows.boxes_xyxy_unit[start:stop]) > SAME_OBJECT_IOU
            same &= rows.class_ids[here, None] == rows.class_ids[None, start:stop]
            same &= sound[here, None] & sound[None, start:stop]
            twice[here] = np.tril(same, block - start - 1).any(axis=1)
    return twice
