"""One .rec file, mapped into memory, with its index."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.recordio import (
    MAGIC,
    MAX_PAYLOAD_BYTES,
    PART_HEADER,
    BrokenRecordError,
    image_layout,
    join_parts,
    padded,
    record_key,
)
from vision.data.recordio_index import RecordIndex, open_index, stale_index_advice
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# Records looked at in one step of ``label_matrix``: bounds its working memory.
_STEP_RECORDS = 4096


class RecordFile:
    """Random access to the records of one file. A process that receives it by pickle maps the file again."""

    def __init__(self, path: Path, name: str, index: RecordIndex | None = None, size_bytes: int | None = None) -> None:
        self.path = path
        self.name = name
        self.buffer = _map(path, name)
        if size_bytes not in (None, len(self.buffer)):
            reason = f"the file had {size_bytes} bytes when it was opened and has {len(self.buffer)} now"
            raise DataError(name, f"{reason}; it must not change while it is read")
        self.index = open_index(path, self.buffer, name) if index is None else index

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordFile, (self.path, self.name, self.index, len(self.buffer))

    def __len__(self) -> int:
        return len(self.index.offsets)

    def payload(self, number: int) -> memoryview:
        """One record: a view of the map, or of a copy if the record was split on disk."""
        offset = self.index.offsets.item(number)
        magic, lrec = PART_HEADER.unpack_from(self.buffer, offset)
        start = offset + PART_HEADER.size
        # A value below 2^29 means cflag 0, a record in one part: nearly all are.
        if magic == MAGIC and lrec <= MAX_PAYLOAD_BYTES and start + padded(lrec) <= len(self.buffer):
            return self.buffer[start : start + lrec]
        try:
            return join_parts(self.buffer, offset)
        except BrokenRecordError as problem:
            raise self._framing_error(number, str(problem)) from None

    def image(self, number: int) -> tuple[memoryview, int, int, int, int]:
        """Payload of an image record, and in it: labels from, labels to, image from; and the record's id."""
        payload = self.payload(number)
        try:
            return payload, *image_layout(payload)
        except BrokenRecordError as problem:
            offset = self.index.offsets.item(number)
            raise DataError(record_key(self.name, number, offset), str(problem)) from None

    def labels(self, number: int) -> np.ndarray:
        """Labels of one record, float32 [W]; touches no image bytes unless the record was split on disk."""
        payload, start, stop, _, _ = self.image(number)
        return np.frombuffer(payload, "<f4", (stop - start) // 4, start).copy()

    def key(self, number: int) -> str:
        """Name of the record in messages, with its id if that can be read."""
        offset = self.index.offsets.item(number)
        try:
            return record_key(self.name, number, offset, self.image(number)[-1])
        except DataError:
            return record_key(self.name, number, offset)

    def key_of(self, number: int, record_id: int) -> str:
        """The same, for a caller who has read the id."""
        return record_key(self.name, number, self.index.offsets.item(number), record_id)

    def label_matrix(self, first: int, stop: int) -> np.ndarray | None:
        """Labels of the records ``first`` to ``stop`` (excluded), float32 [N, W]; None if their W differs."""
        blocks: list[np.ndarray] = []
        for step_first in range(first, stop, _STEP_RECORDS):
            block = self._label_block(step_first, min(step_first + _STEP_RECORDS, stop))
            if block is None or (blocks and block.shape[1] != blocks[0].shape[1]):
                return None
            blocks.append(block)
        return np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32)

    def _label_block(self, first: int, stop: int) -> np.ndarray | None:
        words = np.frombuffer(self.buffer, "<u4", len(self.buffer) // 4)
        offsets = self.index.offsets[first : stop + 1].astype(np.int64)
        if stop == len(self):
            offsets = np.append(offsets, len(self.buffer))
        at = offsets[:-1] // 4
        lrec = words[at + 1].astype(np.int64)
        spans = offsets[:-1] + PART_HEADER.size + ((lrec + 3) & ~3)
        one_part = (words[at] == MAGIC) & (lrec <= MAX_PAYLOAD_BYTES) & (spans == offsets[1:]) & (lrec >= 24)
        flags = np.where(one_part, words[np.where(one_part, at + 2, 0)], 0).astype(np.int64)
        one_part &= 24 + 4 * flags <= lrec
        # Split and broken records go one by one; the broken ones raise.
        others = {int(i): self.labels(first + int(i)) for i in np.flatnonzero(~one_part)}
        widths = np.maximum(flags, 1)
        for i, labels in others.items():
            widths[i] = len(labels)
        width = int(widths[0])
        if np.any(widths != width):
            return None
        label_at = np.where(one_part, at + np.where(flags > 0, 8, 3), 0)
        block = np.lib.stride_tricks.sliding_window_view(words, width)[label_at].view("<f4")
        for i, labels in others.items():
            block[i] = labels
        return block

    def _framing_error(self, number: int, reason: str) -> DataError:
        if self.index.source is not None:
            reason += f"; if the file is whole, {stale_index_advice(self.index.source)}"
        return DataError(record_key(self.name, number, self.index.offsets.item(number)), reason)


def _map(path: Path, name: str) -> memoryview:
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as problem:
        reason = f"cannot be read ({problem.strerror}); expected a RecordIO file at {path}"
        raise DataError(name, reason) from None
