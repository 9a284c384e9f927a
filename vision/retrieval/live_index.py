"""An index in memory that is searched while images come and go, also those that other processes add or remove."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.image_codec import decode_rgb
from vision.retrieval.found_images import FoundImage, ImageSearch
from vision.retrieval.image_index import ImageIndex, IndexEntries, PartMarks
from vision.retrieval.indexing import PART_IMAGES
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# Parts that are written one by one before they become one.
_MOST_SMALL_PARTS = 64
_MOST_FILE_BYTES = 64 << 20


@dataclass
class _Loaded:
    """What was read of the parts whose ``marks`` these are; ``places`` are by name."""

    marks: PartMarks
    places: dict[str, int]
    digests: list[bytes]
    search: ImageSearch


class LiveIndex:
    """Safe for several threads. What ``add`` and ``remove`` have changed is on disk when they return.

    Raises UserError where the folder is damaged or cannot be written.
    """

    def __init__(self, index: ImageIndex) -> None:
        self.description = index.description
        self._index = index
        self._lock = threading.Lock()
        self._small_parts = 0
        self._loaded = self._load()

    def __len__(self) -> int:
        return len(self._current().places)

    def names(self) -> list[str]:
        """Return the names of all images."""
        return list(self._current().places)

    def digest_of(self, name: str) -> bytes | None:
        """Return the SHA-256 of an image's bytes, or None where the index has no such image."""
        loaded = self._current()
        place = loaded.places.get(name)
        return None if place is None else loaded.digests[place]

    def vector_of(self, name: str) -> np.ndarray | None:
        """Return the vector float32 [D] of an image, or None where the index has no such image."""
        loaded = self._current()
        place = loaded.places.get(name)
        return None if place is None else loaded.search.vector(place)

    def pixels(self, name: str) -> np.ndarray | None:
        """Return an image uint8 [H, W, 3] whose name is a file that still has the bytes of the index, else None.

        Of other files nothing is shown, so that a client cannot read one by giving an image its name.
        """
        try:
            with open_regular(Path(name)) as file:
                encoded = file.read(_MOST_FILE_BYTES)
            if hashlib.sha256(encoded).digest() != self.digest_of(name):
                return None
            return decode_rgb(encoded, name)
        except (OSError, ValueError, DataError):
            return None

    def nearest(self, queries: np.ndarray, top: int) -> list[list[FoundImage]]:
        """Return the most similar images of each query vector float32 [Q, D]."""
        return self._current().search.nearest(queries, top)

    def add(self, entries: IndexEntries) -> None:
        """Add images, all or, if the process is killed, none of them; one whose name is there replaces that one."""
        with self._lock:
            part = self._index.add(entries)
            self._take(part, entries)
            self._small_parts += 1
            if self._small_parts >= _MOST_SMALL_PARTS:
                self._small_parts = 0
                before, after = self._index.join_last_parts(PART_IMAGES)
                # The images are the same: a large index is not read again for it.
                if before == self._loaded.marks:
                    self._loaded.marks = after

    def remove(self, names: Iterable[str]) -> int:
        """Remove images, and return how many there were."""
        with self._lock:
            removed = self._index.remove(names)
            self._loaded = self._load()
            return removed

    def _take(self, part: str, entries: IndexEntries) -> None:
        """Take over what was just written, without reading all again if nothing else has changed."""
        marks, loaded = self._index.part_marks(), self._loaded
        is_plain = {name: mark for name, mark in marks.items() if name != part} == loaded.marks
        is_new = len({*entries.names} - loaded.places.keys()) == len(entries)
        if not (is_plain and is_new):
            self._loaded = self._load()
            return
        loaded.digests += [digest.tobytes() for digest in entries.digests]
        loaded.search.append(entries)
        loaded.places |= {name: place for place, name in enumerate(entries.names, len(loaded.places))}
        loaded.marks = marks

    def _current(self) -> _Loaded:
        """Return what is in memory, read again if another process has changed the index."""
        with self._lock:
            if self._index.part_marks() != self._loaded.marks:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> _Loaded:
        # Marks before entries: what changes in between is read once more later.
        marks, entries = self._index.part_marks(), self._index.entries()
        places = {name: place for place, name in enumerate(entries.names)}
        return _Loaded(marks, places, [digest.tobytes() for digest in entries.digests], ImageSearch(entries))
