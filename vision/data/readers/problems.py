"""Everything that is wrong with one source, gathered so that the user sees it at once."""

from __future__ import annotations

from collections.abc import Sequence

from vision.data.equal_problems import EqualProblems
from vision.settings.errors import DataError

SHOWN = 10


class Problems:
    """Counts sentences about ``source``; equal ones are told once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._kinds = EqualProblems()

    @property
    def count(self) -> int:
        """How many there are."""
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
