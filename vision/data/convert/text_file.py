"""A text file that gets its name when it is complete."""

from __future__ import annotations

from pathlib import Path

from vision.files.atomic_file import AtomicFile
from vision.files.write_error import make_folder


class TextFile(AtomicFile):
    """Text as UTF-8 in a folder that is made if it is missing."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        super().__init__(path)
