"""Survey a source before anything is written: its classes and all that a format may be unable to hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.format import DatasetFormat, Source
from vision.data.convert.label_forms import COLUMNS
from vision.data.skipped import Skipped
from vision.settings.counted import counted
from vision.settings.errors import DataError

MOST_CLASSES = 1_000_000
MAX_NAMED = 5


@dataclass
class Survey:
    """What a source holds. ``extra`` counts by (key, "image" or "box"); ``flat`` names the boxes without area."""

    plan: Plan
    images: int = 0
    objects: int = 0
    difficult: int = 0
    fractional: int = 0
    extra: Counter[tuple[str, str]] = field(default_factory=Counter)
    flat: list[str] = field(default_factory=list)
    seen_classes: set[int] = field(default_factory=set)


def survey(source: Source) -> Survey:
    """Read the labels of every image, not its pixels."""
    found = Survey(Plan(source.task, ()))
    columns = 0
    for image in source.images(Skipped()):
        found.images += 1
        found.extra.update((key, "image") for key in image.extra)
        found.seen_classes.update(image.class_ids or ())
        for place, item in enumerate(image.objects or ()):
            found.objects += 1
            found.difficult += item.difficult
            found.seen_classes.add(item.class_id)
            found.extra.update((key, "box") for key in item.extra)
            left, top, right, bottom = item.xyxy_px
            found.fractional += not all(float(corner).is_integer() for corner in item.xyxy_px)
            if right <= left or bottom <= top:
                found.flat.append(f"{image.key} box {place} ({left:g}, {top:g}, {right:g}, {bottom:g})")
            more = len(item.extra.get(COLUMNS, ()))
            columns = max(columns, 1 + more if more else int(item.difficult))
    found.plan = Plan(source.task, _names(source, found.seen_classes), columns)
    return found


def _names(source: Source, seen: set[int]) -> tuple[str, ...]:
    """Return the stated class names, else numbers padded with zeros so that they sort."""
    count = max(max(seen, default=-1) + 1, source.least_classes)
    if count > MOST_CLASSES:
        raise DataError("data set", f"has the class {count - 1}, more than the {MOST_CLASSES} that are allowed")
    names = source.class_names
    if names is None:
        width = len(str(max(count - 1, 0)))
        return tuple(f"{class_id:0{width}d}" for class_id in range(count))
    if count > len(names):
        raise DataError(
            "data set",
            f"has the class {count - 1}, but names for only {counted(len(names), 'class')} ({', '.join(names)[:100]}): "
            "give classes=FILE with a name a line",
        )
    return names


def cannot_hold(found: Survey, target: DatasetFormat, address_kept: bool) -> list[str]:
    """Return sentences on what the source states and the format ``target`` cannot hold."""
    lost = [
        f"{key} of {counted(count, what)}"
        for (key, what), count in sorted(found.extra.items())
        if key not in target.kept and not (key == "address" and address_kept)
    ]
    if found.difficult and not target.keeps_difficult:
        lost.append(f"difficult of {counted(found.difficult, 'box')}")
    names = found.plan.class_names
    unseen = [label for class_id, label in enumerate(names) if class_id not in found.seen_classes]
    if unseen and not target.keeps_unused_classes:
        lost.append(f"{counted(len(unseen), 'class')} that no image has ({', '.join(unseen[:MAX_NAMED])})")
    return [f"{target.name} cannot hold {entry}" for entry in lost]


def doubts(found: Survey) -> list[str]:
    """Return sentences on boxes that look wrong but are kept as they are."""
    if not found.flat:
        return []
    shown = "; ".join(found.flat[:MAX_NAMED]) + ("; ..." if len(found.flat) > MAX_NAMED else "")
    return [f"{len(found.flat)} of {found.objects} boxes have no area and are kept as they are: {shown}"]


def image_classes(image: AnnotatedImage) -> tuple[int, ...]:
    """Return the classes of an image or of its boxes, sorted."""
    if image.objects is None:
        return image.class_ids or ()
    return tuple(sorted({item.class_id for item in image.objects}))
