"""Find images that occur more than once, within a channel or (which inflates the score) in training and validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.issues import MOST_NAMED, InspectedChannel, Issue, Place, Severity
from vision.data.inspect.look_alikes import connected, find_look_alikes
from vision.data.sample import Reader
from vision.settings.counted import counted

Member = tuple[int, int]


def copies(
    channels: Sequence[InspectedChannel], readers: Mapping[str, Reader], pairs: np.ndarray | None = None
) -> list[Issue]:
    """Return issues for exact copies (equal bytes) and near copies (similar pixels) within and across channels.

    ``pairs`` int64 [P, 2] are near copies that were found by other ways, counted through all channels; with them the
    issues list every near copy, not only the first.
    """
    members = [(number, index) for number, channel in enumerate(channels) for index in range(len(channel))]
    sound = np.concatenate([channel.sizes_px[:, 0] > 0 for channel in channels])
    digests = np.concatenate([channel.digests for channel in channels])
    hashes = np.concatenate([channel.hashes for channel in channels])
    thumbnails = np.concatenate([channel.thumbnails for channel in channels])
    alike = find_look_alikes(digests, hashes, thumbnails, sound)
    near = alike.near
    if pairs is not None:
        chains = [(group[0], place) for group in near for place in group[1:]]
        near = connected(np.array([*chains, *pairs.tolist()], np.int64).reshape(-1, 2))
    groups = {
        "exact": [[members[place] for place in group] for group in alike.exact],
        "near": [[members[place] for place in group] for group in near],
    }
    found = _exact_issues(groups["exact"], channels, readers)
    found += _near_issues(groups["near"], channels, readers, is_complete=pairs is not None)
    if not alike.complete:
        sentence = "there are too many images to compare each with each, so not every near copy was found"
        found.append(Issue("near_duplicates_incomplete", "warning", sentence, 1))
    return found


def _exact_issues(
    groups: list[list[Member]], channels: Sequence[InspectedChannel], readers: Mapping[str, Reader]
) -> list[Issue]:
    across = [group for group in groups if len({number for number, _ in group}) > 1]
    within = [group for group in groups if len(group) > len({number for number, _ in group})]
    differing = [group for group in groups if len({_label_key(channels[number], index) for number, index in group}) > 1]
    return [
        *_issues("leak", "error", "image", "in more than one channel, byte for byte", across, channels, readers),
        *_issues("duplicate", "warning", "image", "more than once in a channel", within, channels, readers),
        *_issues("contradiction", "error", "image", "with different labels", differing, channels, readers),
    ]


def _near_issues(
    groups: list[list[Member]],
    channels: Sequence[InspectedChannel],
    readers: Mapping[str, Reader],
    *,
    is_complete: bool,
) -> list[Issue]:
    across = [group for group in groups if len({number for number, _ in group}) > 1]
    within = [group for group in groups if len({number for number, _ in group}) == 1]
    alike = "of images that look alike"
    found = [
        *_issues("near_leak", "warning", "group", f"{alike}, spread over channels", across, channels, readers),
        *_issues("near_duplicate", "warning", "group", f"{alike} in one channel", within, channels, readers),
    ]
    if not is_complete:
        return found
    groups_of = {"near_leak": across, "near_duplicate": within}
    return [replace(issue, rows=_rows(groups_of[issue.code], channels, readers)) for issue in found]


def _rows(
    groups: list[list[Member]], channels: Sequence[InspectedChannel], readers: Mapping[str, Reader]
) -> tuple[dict[str, str], ...]:
    """Return a row for each image of a group but its first: what it is a copy of, and their labels."""
    rows = []
    for group in groups:
        first, *others = (_place(channels[number], index, readers) for number, index in group)
        rows += [
            {
                "image": f"{first.channel} {first.key}",
                "label": first.detail,
                "looks like": f"{other.channel} {other.key}",
                "its label": other.detail,
            }
            for other in others
        ]
    return tuple(rows)


def _issues(
    code: str,
    severity: Severity,
    noun: str,
    what: str,
    groups: list[list[Member]],
    channels: Sequence[InspectedChannel],
    readers: Mapping[str, Reader],
) -> list[Issue]:
    if not groups:
        return []
    named = tuple(
        tuple(_place(channels[number], index, readers) for number, index in group[:8]) for group in groups[:MOST_NAMED]
    )
    first = "; ".join(f"{place.channel} {place.key} [{place.detail}]" for place in named[0])
    return [Issue(code, severity, f"{counted(len(groups), noun)} {what}; first: {first}", len(groups), named)]


def _place(channel: InspectedChannel, index: int, readers: Mapping[str, Reader]) -> Place:
    label = channel.labels[index]
    if isinstance(label, ObjectRows):
        detail = counted(len(label), "box")
    else:
        detail = ", ".join(channel.class_name(class_id) for class_id in label or ()) or "no class"
    return Place(channel.name, index, readers[channel.name].key(index), detail)


def _label_key(channel: InspectedChannel, index: int) -> object:
    """Return a value that is equal for equal labels."""
    label = channel.labels[index]
    if isinstance(label, ObjectRows):
        rows = np.column_stack([label.class_ids, np.round(label.boxes_xyxy_unit, 4)])
        return tuple(sorted(map(tuple, rows.tolist())))
    return label
