"""The records of one channel, read from one or more .rec files."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from vision.data.recordio.record_file import RecordFile
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
        self._count = total

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        file, number = self._locate(index)
        payload, start, stop, encoded_start, record_id = file.image(number)
        labels = np.frombuffer(payload, "<f4", (stop - start) // 4, start).copy()
        return Sample(payload[encoded_start:], labels, file.key_of(number, record_id))

    def target(self, index: int) -> np.ndarray:
        """Return the labels of one record, float32 [W]."""
        file, number = self._locate(index)
        return file.labels(number)

    def key(self, index: int) -> str:
        """Return the name of the record, such as ``train.rec record 17 (id 42) at byte 4096``."""
        file, number = self._locate(index)
        return file.key(number)

    def payload(self, index: int) -> memoryview:
        """Return one record as it is, whatever its payload holds."""
        file, number = self._locate(index)
        return file.payload(number)

    def targets_matrix(self) -> np.ndarray | None:
        """Return the labels of all records at once, float32 [N, W]; None if they differ in W. Checks every record."""
        blocks = [file.label_matrix() for file in self._files if len(file)]
        widths = {None if block is None else block.shape[1] for block in blocks}
        if None in widths or len(widths) > 1:
            return None
        return np.concatenate([block for block in blocks if block is not None])

    def _locate(self, index: int) -> tuple[RecordFile, int]:
        if not 0 <= index < self._count:
            raise IndexError(f"record {index} of a reader with {self._count} records")
        place = bisect_right(self._starts, index) - 1
        return self._files[place], index - self._starts[place]
