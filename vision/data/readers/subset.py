"""Some of the samples of a reader, as a reader."""

from __future__ import annotations

import numpy as np

from vision.data.masks.color_map import ColorMap
from vision.data.sample import Colored, RawTarget, Reader, Sample


class SubsetReader:
    """The samples of ``reader`` at ``indices`` int64 [n], in that order."""

    def __init__(self, reader: Reader, indices: np.ndarray) -> None:
        assert indices.ndim == 1
        self._reader = reader
        self._indices = indices.astype(np.int64)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self._reader.class_names

    @property
    def color_map(self) -> ColorMap | None:
        """The colors by which masks are read, if the whole reader has some."""
        return self._reader.color_map if isinstance(self._reader, Colored) else None

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._reader[self._place(index)]

    def target(self, index: int) -> RawTarget:
        return self._reader.target(self._place(index))

    def key(self, index: int) -> str:
        return self._reader.key(self._place(index))

    def _place(self, index: int) -> int:
        if not 0 <= index < len(self._indices):
            raise IndexError(index)
        return int(self._indices[index])
