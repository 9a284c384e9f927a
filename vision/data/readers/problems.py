"""Everything that is wrong with one source, gathered so that the user sees it at once."""

from __future__ import annotations

from vision.settings.errors import DataError

SHOWN = 10


class Problems:
    """Counts sentences about ``source`` and keeps the first ten."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.count = 0
        self._first: list[str] = []

    def add(self, sentence: str) -> None:
        """Note one problem; ``sentence`` says where in the source it is and how to mend it."""
        self.count += 1
        if len(self._first) < SHOWN:
            self._first.append(sentence)

    def raise_if_any(self) -> None:
        """Raise DataError with the count and the first sentences."""
        if self.count == 1:
            raise DataError(self.source, self._first[0])
        if self.count:
            more = f"\n  and {self.count - SHOWN} more" if self.count > SHOWN else ""
            lines = "".join(f"\n  {sentence}" for sentence in self._first)
            raise DataError(self.source, f"{self.count} problems:{lines}{more}")
