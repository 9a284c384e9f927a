"""Inspect a data set: every channel, copies across channels; and its JSON form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.channel import inspect_channel
from vision.data.inspect.copies import copies
from vision.data.inspect.issues import ContentInspector, InspectedChannel, Inspection, Issue
from vision.data.masks.label_map import PLAIN, LabelMap
from vision.data.masks.mask_png import IGNORED
from vision.data.readers.class_names import names_problem
from vision.data.sample import Reader
from vision.settings.counted import counted

FORMAT_VERSION = 1
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def inspect(
    readers: Mapping[str, Reader],
    workers: int,
    advance: Callable[[int], None],
    label_maps: Mapping[str, LabelMap] = MappingProxyType({}),
    inspect_contents: ContentInspector | None = None,
) -> Inspection:
    """Read every record of the channels and judge them; ``advance`` is called with the number of records read.

    ``readers`` are in the order of importance, the training channel first. ``label_maps`` say by channel what the
    pixels of masks mean, where that is not their value. ``inspect_contents`` finds what bytes and small copies of the
    images do not show.
    """
    channels = [
        inspect_channel(name, reader, workers, advance, label_maps.get(name, PLAIN)) for name, reader in readers.items()
    ]
    issues = [issue for channel in channels for issue in channel.issues]
    issues += _across(channels)
    contents = None if inspect_contents is None else inspect_contents(channels)
    issues += copies(channels, readers, None if contents is None else contents.pairs)
    issues += [] if contents is None else contents.issues
    issues.sort(key=lambda issue: issue.severity != "error")
    return Inspection(tuple(channels), tuple(issues))


def _across(channels: list[InspectedChannel]) -> list[Issue]:
    """Return issues for classes and kinds of labels in which other channels differ from the first."""
    found = []
    train = channels[0]
    known = set(np.flatnonzero(train.class_counts).tolist())
    if train.label_task == "single" and len(known) == 1 and len(train.class_names or ()) < 2:
        sentence = f"channel {train.name} shows one class alone, and a classifier needs two to tell apart"
        found.append(Issue("one_class", "error", sentence, 1))
    for other in channels[1:]:
        if other.task != train.task:
            sentence = f"channel {train.name} has {train.task}, but channel {other.name} has {other.task}"
            found.append(Issue("other_task", "error", sentence, len(other)))
        if train.class_names is not None and other.class_names is not None:
            problem = names_problem(
                f"channel {train.name}", train.class_names, f"channel {other.name}", other.class_names
            )
            if problem:
                found.append(Issue("class_names_differ", "error", problem, 1))
        unknown = [class_id for class_id in np.flatnonzero(other.class_counts).tolist() if class_id not in known]
        if unknown:
            shown = ", ".join(map(other.class_name, unknown[:10]))
            sentence = (
                f"channel {other.name} has {counted(len(unknown), 'class')} that channel {train.name} has not: {shown}"
            )
            found.append(Issue("unknown_class", "error", sentence, len(unknown)))
    return found


def to_json(inspection: Inspection) -> dict[str, Any]:
    """Return everything found as the content of the JSON file."""
    return {
        "format_version": FORMAT_VERSION,
        "errors": inspection.errors,
        "warnings": len(inspection.issues) - inspection.errors,
        "channels": {channel.name: channel_json(channel) for channel in inspection.channels},
        "findings": [issue.to_json() for issue in inspection.issues],
    }


def channel_json(channel: InspectedChannel) -> dict[str, Any]:
    """Return the counts and distributions of one channel."""
    sound = channel.sizes_px[channel.sizes_px[:, 0] > 0]
    sizes, counts = np.unique(sound, axis=0, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:20]
    document: dict[str, Any] = {
        "records": len(channel),
        "task": channel.task,
        "multi_label": channel.multi_label,
        "classes": [
            {"id": class_id, "name": channel.class_name(class_id), "count": int(count)}
            for class_id, count in enumerate(channel.class_counts)
        ],
        "kinds": dict(channel.kinds.most_common()),
        "sizes_px": [
            {"width": int(sizes[place, 0]), "height": int(sizes[place, 1]), "count": int(counts[place])}
            for place in frequent
        ],
        "width_px": quantiles(sound[:, 0]),
        "height_px": quantiles(sound[:, 1]),
    }
    if channel.pixels is not None:
        document["pixels"] = channel.pixels[: len(channel.class_counts)].tolist()
        document["ignored_pixels"] = int(channel.pixels[IGNORED])
    if channel.task == "boxes":
        document["boxes"] = boxes_json(channel)
    return document


def boxes_json(channel: InspectedChannel) -> dict[str, Any]:
    """Return counts and distributions of a channel's boxes, in pixels of the original images."""
    image, rows = channel.objects()
    per_image = [len(label) for label in channel.labels if isinstance(label, ObjectRows)]
    document: dict[str, Any] = {
        "count": len(image),
        "per_image": quantiles(np.array(per_image)),
        "label_width": channel.label_width(),
        "difficult": 0 if rows is None else int(rows.difficult.sum()),
    }
    if rows is not None:
        sides = (rows.boxes_xyxy_unit[:, 2:] - rows.boxes_xyxy_unit[:, :2]) * channel.sizes_px[image]
        with_area = sides[(sides > 0).all(axis=1)]
        document["width_px"], document["height_px"] = quantiles(sides[:, 0]), quantiles(sides[:, 1])
        document["aspect_ratio"] = quantiles(with_area[:, 0] / with_area[:, 1])
    return document


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Return the minimum, the 5 %, 25 %, 50 %, 75 % and 95 % quantiles and the maximum; empty without values."""
    if not values.size:
        return {}
    names = ("least", "5%", "25%", "middle", "75%", "95%", "largest")
    return {name: round(float(value), 4) for name, value in zip(names, np.quantile(values, QUANTILES), strict=True)}
