"""The records of one channel, read from one or more .rec files."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np

from vision.data.recordio_file import RecordFile
from vision.data.sample import Sample
from vision.settings.errors import DataError


class RecordIOReader:
    """Reader of image records; the files follow each other in the order given.

    ``target`` is float32 [W]: the label vector, or the scalar label as [1]. ``class_names`` come from beside the
    files, which do not hold any. Safe to fork and to pickle.
    """

    def __init__(self, paths: Sequence[str | Path], class_names: tuple[str, ...] | None = None) -> None:
        self.class_names = class_names
        files = [Path(path) for path in paths]
        seen = Counter(path.name for path in files)
        self._files = [RecordFile(path, path.name if seen[path.name] == 1 else str(path)) for path in files]
        # First record of each file, in the numbering of the whole channel.
        *self._starts, total = accumulate(map(len, self._files), initial=0)
        if total == 0:
            raise DataError(", ".join(map(str, files)) or "RecordIO channel", "holds no records")
        self._first = 0
        self._count = total

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        file, number = self._locate(index)
        payload, start, stop, encoded_start, record_id = file.image(number)
        labels = np.frombuffer(payload, "<f4", (stop - start) // 4, start).copy()
        return Sample(payload[encoded_start:], labels, file.key_of(number, record_id))

    def target(self, index: int) -> np.ndarray:
        """Labels of one record, float32 [W]."""
        file, number = self._locate(index)
        return file.labels(number)

    def key(self, index: int) -> str:
        """Name of the record, such as ``train.rec record 17 (id 42) at byte 4096``."""
        file, number = self._locate(index)
        return file.key(number)

    def payload(self, index: int) -> memoryview:
        """One record as it is, whatever its payload holds."""
        file, number = self._locate(index)
        return file.payload(number)

    def targets_matrix(self) -> np.ndarray | None:
        """Labels of all records at once, float32 [N, W]; None if they differ in W. Checks every record."""
        blocks = []
        for start, file in zip(self._starts, self._files, strict=True):
            first = max(self._first - start, 0)
            stop = min(self._first + self._count - start, len(file))
            if first < stop:
                blocks.append(file.label_matrix(first, stop))
        widths = {None if block is None else block.shape[1] for block in blocks}
        if None in widths or len(widths) > 1:
            return None
        return np.concatenate([block for block in blocks if block is not None] or [np.empty((0, 1), np.float32)])

    def shard(self, rank: int, world: int, by: Literal["records", "bytes"] = "records") -> RecordIOReader:
        """Share ``rank`` of ``world``: consecutive records; the shares are disjoint and complete.

        ``records``: ceil(N/world) each, the last ones fewer, as MXNet splits a file with .idx. ``bytes``: a
        record belongs to the byte range in which it starts, as MXNet splits without .idx; shares differ in
        length.
        """
        assert 0 <= rank < world, f"rank {rank} of {world}"
        assert (self._first, self._count) == (0, sum(map(len, self._files))), "only a whole channel can be shared out"
        if by == "records":
            step = -(-self._count // world)
            first, stop = (min(step * part, self._count) for part in (rank, rank + 1))
        else:
            first, stop = (self._record_at_share(part, world) for part in (rank, rank + 1))
        share = object.__new__(RecordIOReader)
        share._files, share._starts = self._files, self._starts
        share._first, share._count = first, stop - first
        share.class_names = self.class_names
        return share

    def _record_at_share(self, part: int, world: int) -> int:
        """First record that starts at or after the byte where ``part`` begins."""
        total = sum(len(file.bytes) for file in self._files)
        step = -(-total // world)
        boundary = min((step + 3 & ~3) * part, total)
        for start, file in zip(self._starts, self._files, strict=True):
            if boundary < len(file.bytes):
                return start + int(np.searchsorted(file.index.offsets, boundary))
            boundary -= len(file.bytes)
        return self._starts[-1] + len(self._files[-1])

    def _locate(self, index: int) -> tuple[RecordFile, int]:
        if not 0 <= index < self._count:
            raise IndexError(f"record {index} of a reader with {self._count} records")
        index += self._first
        place = bisect_right(self._starts, index) - 1
        return self._files[place], index - self._starts[place]
