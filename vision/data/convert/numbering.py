"""Ids of images in formats that number them: those of the source where they are free."""

from __future__ import annotations

from vision.data.convert.neutral import AnnotatedImage

# Key of ``extra``: the number by which a .lst line, a record or a COCO image goes.
ID = "id"


class Numbering:
    """Gives each image an id of its own, at least 0."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._next = 0

    def id_of(self, image: AnnotatedImage) -> int:
        """The image's own id if no other has it, else the next free one."""
        given = image.extra.get(ID)
        if not isinstance(given, int) or given in self._used or not 0 <= given < 1 << 63:
            while self._next in self._used:
                self._next += 1
            given = self._next
        self._used.add(given)
        return given
