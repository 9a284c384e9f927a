"""DataProcessing.OutputFilter: the part of JSONPath that SageMaker documents, on the JSON of an answer.

``$.name``, ``$['a','b']``, ``$[0]``, ``$[0,2]``, ``$[1:3]`` and ``*`` in place of a name or number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)|(?P<all>\.\*|\[\*\])|\[(?P<names>'[^']*'(?:\s*,\s*'[^']*')*)\]"
    r"|\[(?P<numbers>-?\d{1,9}(?:\s*,\s*-?\d{1,9})*)\]|\[(?P<start>-?\d{0,9}):(?P<end>-?\d{0,9})\]"
)


@dataclass(frozen=True)
class _Step:
    """``find`` yields what the step finds in a value; one that ``is_single`` finds at most one."""

    find: Callable[[Any], Iterator[Any]]
    is_single: bool


@dataclass(frozen=True)
class OutputFilter:
    """A path into JSON."""

    steps: tuple[_Step, ...]

    @classmethod
    def read(cls, text: str) -> OutputFilter:
        """Parse a path. Raises ValueError."""
        if not text.startswith("$"):
            raise ValueError("a path begins with $")
        steps, place = [], 1
        while place < len(text):
            found = _STEP.match(text, place)
            if found is None:
                raise ValueError(f"{text[place:]!r} is none of .name, ['a','b'], [0], [0,2], [1:3] and *")
            steps.append(_step(found))
            place = found.end()
        return cls(tuple(steps))

    @property
    def is_whole(self) -> bool:
        """Return whether the path means the whole answer."""
        return not self.steps

    def apply(self, answer: bytes) -> bytes:
        """Return the part of a JSON text: a list if the path may mean several values. Raises ValueError."""
        if self.is_whole:
            return answer
        found = [json.loads(answer)]
        for step in self.steps:
            found = [part for value in found for part in step.find(value)]
        if all(step.is_single for step in self.steps):
            if not found:
                raise ValueError("the answer has no such part")
            return json.dumps(found[0]).encode()
        return json.dumps(found).encode()


def _step(found: re.Match[str]) -> _Step:
    if found["all"]:
        return _Step(lambda value: iter(value.values() if isinstance(value, dict) else _items(value)), False)
    if found["name"]:
        return _Step(_by_key([found["name"]]), True)
    if found["names"]:
        names = re.findall(r"'([^']*)'", found["names"])
        return _Step(_by_key(names), len(names) == 1)
    if found["numbers"]:
        numbers = [int(number) for number in found["numbers"].split(",")]
        return _Step(_by_number(numbers), len(numbers) == 1)
    part = slice(*(int(found[end]) if found[end] else None for end in ("start", "end")))
    return _Step(lambda value: iter(_items(value)[part]), False)


def _by_key(names: list[str]) -> Callable[[Any], Iterator[Any]]:
    return lambda value: (value[name] for name in names if isinstance(value, dict) and name in value)


def _by_number(numbers: list[int]) -> Callable[[Any], Iterator[Any]]:
    return lambda value: (
        _items(value)[number] for number in numbers if -len(_items(value)) <= number < len(_items(value))
    )


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
