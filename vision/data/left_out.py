"""What a tool could not convert: counted, named and told, never dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SHOWN = 10


class LeftOut:
    """Collects (name, reason) pairs; ``name`` says where it lies, ``reason`` is the rest of the sentence."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.sentences: list[str] = []
        for name, reason in pairs:
            self.add(name, reason)

    def __len__(self) -> int:
        return len(self.sentences)

    def add(self, name: str, reason: str) -> None:
        """Note one thing that is left out."""
        self.sentences.append(f"{name}: {reason}")

    def write(self, path: Path) -> None:
        """All sentences, one a line; no file is left where there is nothing to say."""
        if not self.sentences:
            path.unlink(missing_ok=True)
            return
        path.write_text("".join(f"{sentence}\n" for sentence in self.sentences), "utf-8", errors="backslashreplace")

    def summary(self, what: str, path: Path | None = None) -> list[str]:
        """Lines for the terminal: how many ``what``, the first of them, and the file that names all."""
        if not self.sentences:
            return []
        shown = [f"  {sentence}" for sentence in self.sentences[:SHOWN]]
        rest = len(self.sentences) - SHOWN
        if rest > 0:
            shown.append(f"  and {rest} more")
        named = f" (all in {path})" if path is not None else ""
        return [f"{len(self.sentences)} {what} left out{named}:", *shown]
