"""One .rec file, read by position, with its index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vision.data.recordio.index import open_index, stale_index_advice
from vision.data.recordio.record import (
    IMAGE_HEADER,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    PART_HEADER,
    BrokenRecordError,
    image_layout,
    join_parts,
    padded,
    record_key,
)
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

# Records looked at in one step of ``label_matrix``: bounds its working memory.
_STEP_RECORDS = 4096
_MOST_AT_ONCE = 16 << 20
_FEW_LABELS = 56
_HEAD_BYTES = PART_HEADER.size + IMAGE_HEADER.size + 4 * _FEW_LABELS


class RecordFile:
    """Random access to the records of one file. Raises FileChangedError where it shrinks while it is in use."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.bytes = SteadyFile(path, name)
        self.index = open_index(path, self.bytes, name)

    def __len__(self) -> int:
        return len(self.index.offsets)

    def payload(self, number: int) -> memoryview:
        """Return one record."""
        offset = self.index.offsets.item(number)
        end = self.index.offsets.item(number + 1) if number + 1 < len(self) else len(self.bytes)
        # Up to the next record in one read; an index that leaves records out must not make it a large one.
        found = self.bytes.read(offset, min(end - offset, _MOST_AT_ONCE))
        if len(found) >= PART_HEADER.size:
            magic, lrec = PART_HEADER.unpack_from(found)
            # A value below 2^29 means cflag 0, a record in one part: nearly all are.
            if magic == MAGIC and lrec <= MAX_PAYLOAD_BYTES and PART_HEADER.size + padded(lrec) <= len(found):
                return memoryview(found)[PART_HEADER.size : PART_HEADER.size + lrec]
        try:
            return join_parts(self.bytes, offset)
        except BrokenRecordError as problem:
            raise self._framing_error(number, str(problem)) from None

    def image(self, number: int) -> tuple[memoryview, int, int, int, int]:
        """Return the payload of an image record, and in it: labels from, labels to, image from; and the record's id."""
        payload = self.payload(number)
        try:
            return payload, *image_layout(payload)
        except BrokenRecordError as problem:
            offset = self.index.offsets.item(number)
            raise DataError(record_key(self.name, number, offset), str(problem)) from None

    def labels(self, number: int) -> np.ndarray:
        """Return the labels of one record, float32 [W]; reads no image bytes unless the record was split on disk."""
        head = self._head(number)
        if head is not None:
            flag, label_at = IMAGE_HEADER.unpack_from(head)[0], IMAGE_HEADER.size
            if not flag:
                return np.frombuffer(head, "<f4", 1, 4).copy()
            if label_at + 4 * flag > len(head):
                head = self.bytes.read(self.index.offsets.item(number) + PART_HEADER.size, label_at + 4 * flag)
            return np.frombuffer(head, "<f4", flag, label_at).copy()
        payload, start, stop, _, _ = self.image(number)
        return np.frombuffer(payload, "<f4", (stop - start) // 4, start).copy()

    def key(self, number: int) -> str:
        """Return the name of the record in messages, with its id if that can be read."""
        offset = self.index.offsets.item(number)
        head = self._head(number)
        try:
            record_id = self.image(number)[-1] if head is None else IMAGE_HEADER.unpack_from(head)[2]
        except DataError:
            return record_key(self.name, number, offset)
        return record_key(self.name, number, offset, record_id)

    def _head(self, number: int) -> bytes | None:
        """Return the payload's first bytes, if it is an image record in one part whose lengths hold."""
        offset = self.index.offsets.item(number)
        found = self.bytes[offset : offset + _HEAD_BYTES]
        if len(found) < PART_HEADER.size + IMAGE_HEADER.size:
            return None
        magic, lrec = PART_HEADER.unpack_from(found)
        if magic != MAGIC or lrec > MAX_PAYLOAD_BYTES:
            return None
        flag = IMAGE_HEADER.unpack_from(found, PART_HEADER.size)[0]
        fits = offset + PART_HEADER.size + padded(lrec) <= len(self.bytes) and IMAGE_HEADER.size + 4 * flag <= lrec
        return found[PART_HEADER.size :] if fits else None

    def key_of(self, number: int, record_id: int) -> str:
        """Return the name of the record like ``key``, for a caller who has read its id."""
        return record_key(self.name, number, self.index.offsets.item(number), record_id)

    def label_matrix(self) -> np.ndarray | None:
        """Return the labels of all records, float32 [N, W]; None if their W differs."""
        blocks: list[np.ndarray] = []
        for first in range(0, len(self), _STEP_RECORDS):
            block = self._label_block(first, min(first + _STEP_RECORDS, len(self)))
            if block is None or (blocks and block.shape[1] != blocks[0].shape[1]):
                return None
            blocks.append(block)
        return np.concatenate(blocks)

    def _label_block(self, first: int, stop: int) -> np.ndarray | None:
        offsets = self.index.offsets[first : stop + 1].astype(np.int64)
        if stop == len(self):
            offsets = np.append(offsets, len(self.bytes))
        labels_from = (PART_HEADER.size + IMAGE_HEADER.size) // 4
        # Labels of another number than the first record's make no matrix, so no more of a record is needed. Many are
        # read once it is known that all records have so many.
        words = self._first_words(offsets[:-1], labels_from + min(len(self.labels(first)), _FEW_LABELS))
        lrec = words[:, 1].astype(np.int64)
        ends = offsets[:-1] + PART_HEADER.size + ((lrec + 3) & ~3)
        one_part = (words[:, 0] == MAGIC) & (lrec <= MAX_PAYLOAD_BYTES) & (ends == offsets[1:]) & (lrec >= 24)
        flags = np.where(one_part, words[:, 2], 0).astype(np.int64)
        one_part &= 24 + 4 * flags <= lrec
        # Split and broken records go one by one; the broken ones raise.
        others = {int(i): self.labels(first + int(i)) for i in np.flatnonzero(~one_part)}
        widths = np.maximum(flags, 1)
        for i, labels in others.items():
            widths[i] = len(labels)
        width = int(widths[0])
        if np.any(widths != width):
            return None
        if width > _FEW_LABELS:
            words = self._first_words(offsets[:-1], labels_from + width)
        block = words[:, labels_from : labels_from + width].copy()
        block[flags == 0, 0] = words[flags == 0, 3]
        labels_block = block.view("<f4")
        for i, labels in others.items():
            labels_block[i] = labels
        return labels_block

    def _first_words(self, offsets: np.ndarray, count: int) -> np.ndarray:
        """Return the words that each record begins with, uint32 [N, count], zeros beyond the file's end."""
        size = 4 * count
        heads = self.bytes.read_many(offsets.tolist(), size)
        # Records are small where these reach beyond the file's end.
        heads = [head.ljust(size, b"\0") if len(head) < size else head for head in heads]
        return np.frombuffer(b"".join(heads), "<u4").reshape(len(heads), count)

    def _framing_error(self, number: int, reason: str) -> DataError:
        if self.index.source is not None:
            reason += f"; if the file is whole, {stale_index_advice(self.index.source)}"
        return DataError(record_key(self.name, number, self.index.offsets.item(number)), reason)
