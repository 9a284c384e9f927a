"""Group problems that differ only in names and numbers, and report each kind once with its count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vision.settings.errors import DataError

# Names in a message, and sentences in one about many problems.
NAMED = 3
SHOWN = 10
# Kinds beyond these are only counted, so that memory stays small whatever a file holds.
MOST_KINDS = 1000
# What differs between equal problems: quoted names, and words that hold a digit or are a path.
_PARTICULARS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*[\d/\\]\S*""")
_LONGEST = 2000


class EqualProblems:
    """Counts (name, reason) pairs by kind and keeps the first names of each."""

    def __init__(self, problems: Iterable[tuple[str, str]] = ()) -> None:
        self.count = 0
        self._kinds: dict[str, tuple[list[str], str, int]] = {}
        for name, reason in problems:
            self.add(name, reason)

    def add(self, name: str, reason: str) -> int:
        """Add one problem: where something is wrong (may be empty), and the rest of the sentence.

        Returns the number of its kind so far.
        """
        self.count += 1
        kind = _PARTICULARS.sub("#", reason[:_LONGEST])
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            return self.count
        names, first, count = self._kinds.get(kind, ([], reason, 0))
        if len(names) < NAMED:
            names.append(name)
        self._kinds[kind] = (names, first, count + 1)
        return count + 1

    def add_sentence(self, sentence: str) -> int:
        """Add one problem in the form ``where: what``."""
        name, colon, reason = sentence.partition(": ")
        return self.add(*((name, reason) if colon else ("", sentence)))

    def sentences(self) -> list[str]:
        """Return a sentence for each kind, in the order of their first occurrence."""
        return [_sentence(*kind) for kind in self._kinds.values()]

    def lines(self, shown: int) -> list[str]:
        """Return the first ``shown`` sentences, and a line with the number of other problems."""
        sentences = self.sentences()
        rest = self.count - sum(count for _, _, count in list(self._kinds.values())[:shown])
        return [*sentences[:shown], *([f"and {rest} more"] if rest else [])]


class Problems:
    """Counts sentences about ``source``; equal ones are given once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._kinds = EqualProblems()

    @property
    def count(self) -> int:
        """The number of problems."""
        return self._kinds.count

    def add(self, sentence: str) -> None:
        """Note one problem; ``sentence`` says where in the source it is and how to mend it."""
        self._kinds.add_sentence(sentence)

    def raise_if_any(self) -> None:
        """Raise DataError with the count and a sentence for each kind."""
        lines = self._kinds.lines(SHOWN)
        if self.count == 1:
            raise DataError(self.source, lines[0])
        if self.count:
            raise DataError(self.source, f"{self.count} problems:" + "".join(f"\n  {line}" for line in lines))


def first_names(names: Sequence[str]) -> str:
    """Return the first names of a list for a message."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _sentence(names: list[str], reason: str, count: int) -> str:
    if count == 1:
        return f"{names[0]}: {reason}" if names[0] else reason
    shown = ", ".join(name for name in names if name)
    more = ", ..." if count > len(names) else ""
    return f"{count} times, in {shown}{more}: {reason}" if shown else f"{count} times: {reason}"
