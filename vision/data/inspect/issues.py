"""The results of an inspection, from which its page, JSON file and exit status are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.labels import Task
from vision.data.look import DataLook
from vision.data.readers.class_names import class_name

Severity = Literal["error", "warning"]
# Records named in the JSON file; the count always says how many there are.
MOST_NAMED = 200


@dataclass(frozen=True)
class Place:
    """One record: its channel, index and name, and the problem with it."""

    channel: str
    index: int
    key: str
    detail: str = ""
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Issue:
    """A problem of one kind. ``groups`` are records that belong together, such as copies; else each is a group.

    ``rows`` are a table of all that was found, for kinds of which a sentence says too little: names and values.
    """

    code: str
    severity: Severity
    sentence: str
    count: int
    groups: tuple[tuple[Place, ...], ...] = ()
    rows: tuple[Mapping[str, str | int | float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the JSON file."""
        groups = [
            [{"channel": p.channel, "index": p.index, "key": p.key, "detail": p.detail} for p in group]
            for group in self.groups
        ]
        return {
            "code": self.code,
            "severity": self.severity,
            "sentence": self.sentence,
            "count": self.count,
            "records": groups,
            **({"rows": [dict(row) for row in self.rows]} if self.rows else {}),
        }


@dataclass
class InspectedChannel:
    """One channel of N images. Arrays are those of ``scan.Part``; ``task`` is the kind of most labels.

    ``pixels`` is None where labels are not masks. Masks count as the classes that they show.
    """

    name: str
    class_names: tuple[str, ...] | None
    task: Literal["classes", "boxes"]
    multi_label: bool
    sizes_px: np.ndarray
    digests: np.ndarray
    hashes: np.ndarray
    thumbnails: np.ndarray
    kinds: Counter[str]
    labels: list[tuple[int, ...] | ObjectRows | None]
    class_counts: np.ndarray
    issues: list[Issue] = field(default_factory=list)
    pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sizes_px)

    @property
    def label_task(self) -> Task:
        """What the labels mean to an algorithm."""
        if self.pixels is not None:
            return "mask"
        if self.task == "boxes":
            return "boxes"
        return "multi" if self.multi_label else "single"

    def objects(self) -> tuple[np.ndarray, ObjectRows | None]:
        """Return the index of the image of each of M objects, int64 [M], and the objects; None if there are none."""
        held = [(index, rows) for index, rows in enumerate(self.labels) if isinstance(rows, ObjectRows) and len(rows)]
        if not held:
            return np.zeros(0, np.int64), None
        image = np.repeat([index for index, _ in held], [len(rows) for _, rows in held])
        return image.astype(np.int64), ObjectRows.joined([rows for _, rows in held])

    def label_width(self) -> int:
        """Return the count of numbers in the longest packed label, 0 where no image has objects."""
        return max((label.label_width for label in self.labels if isinstance(label, ObjectRows)), default=0)

    def look(self) -> DataLook:
        """Return what a quick look would find, from all images."""
        _, boxes = self.objects()
        sides = np.zeros(0) if boxes is None else boxes.sides_unit
        return DataLook(
            self.label_task,
            len(self),
            self.class_names,
            max(len(self.class_names or ()), len(self.class_counts)),
            self.sizes_px[self.sizes_px[:, 0] > 0],
            sides,
            self.label_width(),
            self.class_counts,
        )

    def class_name(self, class_id: int) -> str:
        """Return the name of a class, its number where none is stated."""
        return class_name(self.class_names, class_id)


@dataclass(frozen=True)
class Inspection:
    """All channels and all issues."""

    channels: tuple[InspectedChannel, ...]
    issues: tuple[Issue, ...]

    @property
    def errors(self) -> int:
        """The number of issues that are errors."""
        return sum(issue.severity == "error" for issue in self.issues)


class ContentFindings(NamedTuple):
    """What a look at the contents of images finds: pairs int64 [P, 2] of records that show one picture, and issues.

    Records are counted through all channels.
    """

    pairs: np.ndarray
    issues: list[Issue]


ContentInspector: TypeAlias = Callable[[Sequence[InspectedChannel]], ContentFindings]
