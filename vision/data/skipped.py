"""Collect and report what a tool left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vision.data.problems import EqualProblems
from vision.files.atomic_file import write_whole
from vision.settings.counted import counted

MAX_LINES = 10


class Skipped:
    """Collects (name, reason) pairs; ``name`` says where a problem is, ``reason`` is the rest of the sentence.

    ``notes`` are about what is used in another way than it is written.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.sentences: list[str] = []
        self._kinds, self._notes = EqualProblems(), EqualProblems()
        for name, reason in pairs:
            self.add(name, reason)

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def notes(self) -> list[str]:
        """A sentence for each kind of note, with its count and the first names."""
        return self._notes.sentences()

    def add(self, name: str, reason: str) -> None:
        """Add one thing that is left out."""
        # One line each, also where a name holds a line break.
        self.sentences.append(f"{name}: {reason}".replace("\r", "\\r").replace("\n", "\\n"))
        self._kinds.add(name, reason)

    def note(self, name: str, remark: str) -> None:
        """Add one thing that is used, but not as it is written."""
        self._notes.add(name, remark)

    def extend(self, other: Skipped) -> None:
        """Add everything that another has collected."""
        for sentence in other.sentences:
            self.add(*sentence.split(": ", 1))

    def write(self, path: Path) -> None:
        """Write all sentences, one on each line; remove the file if there are none."""
        if not self.sentences:
            path.unlink(missing_ok=True)
            return
        write_whole(path, "".join(f"{sentence}\n" for sentence in self.sentences).encode(errors="backslashreplace"))

    def summary(self, noun: str, path: Path | None = None) -> list[str]:
        """Return lines for the terminal: their number, each a ``noun``, each kind once, and the file that names all."""
        if not self.sentences:
            return []
        named = f" (all in {path})" if path is not None else ""
        return [
            f"{counted(len(self.sentences), noun)} left out{named}:",
            *(f"  {line}" for line in self._kinds.lines(MAX_LINES)),
        ]
