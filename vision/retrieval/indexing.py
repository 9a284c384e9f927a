"""Add images to an index: those that are new or have changed since."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.retrieval.image_index import ImageIndex, IndexDescription, IndexEntries
from vision.settings.errors import DataError

PART_IMAGES = 2048
# Between two writings, and so the most that an interrupted run loses.
PART_SECONDS = 30.0


@dataclass
class Indexed:
    """How many images were ``added`` or changed, ``known`` before, and could not be read (``failed``)."""

    added: int = 0
    known: int = 0
    failed: int = 0


def index_images(
    folder: Path, model: EmbeddingModel, contents: Iterable[Content], on_failure: Callable[[str], object]
) -> Indexed:
    """Add images to the index in ``folder``, which is made if there is none.

    An image that is there with the same bytes is passed over, also where its path is now written otherwise; of equal
    bytes under several names one is embedded.
    ``on_failure`` takes a sentence on each that cannot be read. Raises UserError.
    """
    description = IndexDescription(model=model.name, model_sha256=model.sha256, dimension=model.dimension)
    return _Indexing(ImageIndex.open_or_make(folder, description), on_failure).run(model, contents)


class _Indexing:
    def __init__(self, index: ImageIndex, on_failure: Callable[[str], object]) -> None:
        self._index = index
        self._on_failure = on_failure
        self._found = Indexed()
        entries = index.entries()
        digests = [digest.tobytes() for digest in entries.digests]
        self._digest_of = dict(zip(entries.names, digests, strict=True))
        self._name_of = {os.path.abspath(name): name for name in entries.names}
        """The name of each file in the index, whichever way its path is written."""
        self._vector_of: dict[bytes, np.ndarray | str] = dict(zip(digests, entries.vectors, strict=True))
        """The vector of each image by its digest, or the sentence on why it is broken."""
        self._waiting: deque[bytes] = deque()
        """Digests of images that the network has not returned yet, in order."""
        self._rows: deque[tuple[str, bytes]] = deque()
        """Names and digests of images that are in no part yet."""

    def run(self, model: EmbeddingModel, contents: Iterable[Content]) -> Indexed:
        written_s = time.monotonic()
        for embedded in model.embed(self._new(contents)):
            vector = embedded.vector
            found = vector if isinstance(vector, str) else vector.astype(np.float16)
            self._vector_of[self._waiting.popleft()] = found
            if len(self._rows) - len(self._waiting) >= PART_IMAGES or time.monotonic() - written_s >= PART_SECONDS:
                self._write()
                written_s = time.monotonic()
        self._write()
        return self._found

    def _new(self, contents: Iterable[Content]) -> Iterator[Content]:
        """Yield the images that the network has to see."""
        for content in contents:
            if isinstance(content.encoded, DataError):
                self._fail(str(content.encoded))
                continue
            digest = hashlib.sha256(content.encoded).digest()
            name = self._name_of.setdefault(os.path.abspath(content.name), content.name)
            if self._digest_of.get(name) == digest:
                self._found.known += 1
                continue
            self._digest_of[name] = digest
            self._rows.append((name, digest))
            if digest in self._vector_of or digest in self._waiting:
                continue
            self._waiting.append(digest)
            yield content._replace(name=name)

    def _fail(self, sentence: str) -> None:
        self._found.failed += 1
        self._on_failure(sentence)

    def _write(self) -> None:
        """Write a part of the images whose vectors are there; small parts become one."""
        names, digests, vectors = [], [], []
        while self._rows and self._rows[0][1] in self._vector_of:
            name, digest = self._rows.popleft()
            vector = self._vector_of[digest]
            if isinstance(vector, str):
                # Its copies fail for the same reason, which names the first.
                self._fail(vector if vector.startswith(f"{name}:") else f"{name}: has the bytes of {vector}")
                continue
            names.append(name)
            digests.append(np.frombuffer(digest, np.uint8))
            vectors.append(vector)
        if names:
            self._index.add(IndexEntries(tuple(names), np.stack(digests), np.stack(vectors)))
            self._found.added += len(names)
            if len(names) < PART_IMAGES:
                self._index.join_last_parts(PART_IMAGES)
