"""A text file that gets its name when it is complete."""

from __future__ import annotations

import os
from pathlib import Path


class TextFile:
    """Written under a temporary name beside ``path``."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.with_name(f".{path.name}.{os.getpid()}.partial").open("w", encoding="utf-8", newline="\n")

    def write(self, text: str) -> None:
        """Append text."""
        self._file.write(text)

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._file.close()
        os.replace(self._file.name, self._path)

    def discard(self) -> None:
        """Throw it away."""
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)
