"""The labels of a video as Rekognition gives them, from the lines that ``vision video`` writes of its frames.

A label of a frame has the boxes of its objects as instances, and the confidence of the surest; of a model that labels
whole frames it has no instances. Confidences are percentages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vision.algorithms.json_answer import json_percent

SortBy = Literal["NAME", "TIMESTAMP"]
# A label that is missed for less time is one segment; so is one that a frame or two miss at few frames a second.
_GAP_MS, _GAP_FRAMES = 1000, 2.5


@dataclass
class TimedLabel:
    """A label in the frame at ``milliseconds``, with its instances as the service shows them."""

    milliseconds: int
    name: str
    confidence: float
    instances: list[dict[str, Any]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """Return the structure LabelDetection of one time."""
        return {"Timestamp": self.milliseconds, "Label": _label(self.name, self.confidence, self.instances)}


@dataclass
class Segment:
    """A label from its first to its last frame, with the confidence of the surest one."""

    name: str
    confidence: float
    start_ms: int
    end_ms: int

    def answer(self) -> dict[str, Any]:
        """Return the structure LabelDetection of a segment, which has no instances."""
        return {
            "Label": _label(self.name, self.confidence, []),
            "StartTimestampMillis": self.start_ms,
            "EndTimestampMillis": self.end_ms,
            "DurationMillis": self.end_ms - self.start_ms,
        }


@dataclass(frozen=True)
class LabelFilter:
    """Which labels are wanted: of at least ``least_confidence`` percent, of the names ``included`` (none: all)."""

    least_confidence: float
    included: frozenset[str]
    excluded: frozenset[str]

    def takes(self, name: str, confidence: float) -> bool:
        """Return whether a label of a frame is wanted."""
        wanted = not self.included or name in self.included
        return wanted and name not in self.excluded and confidence >= self.least_confidence


def read_labels(frames_jsonl: Path, wanted: LabelFilter) -> Iterator[TimedLabel]:
    """Yield the labels frame by frame, those of a frame by name."""
    with frames_jsonl.open(encoding="utf-8") as lines:
        for line in lines:
            frame = json.loads(line)
            yield from sorted(_of_frame(frame, wanted), key=lambda one: one.name)


def sorted_labels(labels: Iterable[TimedLabel], sort_by: SortBy) -> list[TimedLabel]:
    """Return labels by time, or by name and then by time."""
    return sorted(labels, key=lambda one: (one.name if sort_by == "NAME" else "", one.milliseconds))


def segments(labels: Iterable[TimedLabel], sort_by: SortBy, frame_ms: float) -> list[Segment]:
    """Return the segments of labels that come in order of time, from frames ``frame_ms`` apart."""
    gap_ms = max(_GAP_MS, _GAP_FRAMES * frame_ms)
    latest: dict[str, Segment] = {}
    found: list[Segment] = []
    for one in labels:
        segment = latest.get(one.name)
        if segment is None or one.milliseconds - segment.end_ms > gap_ms:
            latest[one.name] = segment = Segment(one.name, one.confidence, one.milliseconds, one.milliseconds)
            found.append(segment)
        segment.end_ms = one.milliseconds
        segment.confidence = max(segment.confidence, one.confidence)
    return sorted(found, key=lambda one: (one.name if sort_by == "NAME" else "", one.start_ms, one.name))


def _of_frame(frame: Mapping[str, Any], wanted: LabelFilter) -> Iterator[TimedLabel]:
    milliseconds = round(1000 * frame["seconds"])
    for label in frame.get("labels", ()):
        confidence = json_percent(label["score"])
        if wanted.takes(label["label"], confidence):
            yield TimedLabel(milliseconds, label["label"], confidence)
    by_name: dict[str, TimedLabel] = {}
    for seen in frame.get("objects", ()):
        name, confidence = seen["label"], json_percent(seen["score"])
        if not wanted.takes(name, confidence):
            continue
        left, top, right, bottom = seen["box"]
        one = by_name.setdefault(name, TimedLabel(milliseconds, name, confidence))
        one.confidence = max(one.confidence, confidence)
        box = {"Width": right - left, "Height": bottom - top, "Left": left, "Top": top}
        one.instances.append({"BoundingBox": box, "Confidence": confidence})
    yield from by_name.values()


def _label(name: str, confidence: float, instances: list[dict[str, Any]]) -> dict[str, Any]:
    # A model of one's own knows no taxonomy.
    lists: dict[str, Any] = {"Instances": instances, "Parents": [], "Aliases": [], "Categories": []}
    return {"Name": name, "Confidence": confidence, **lists}
