"""The labels of one pass over a stream, which are looked at when it has passed."""

from __future__ import annotations

from typing import NoReturn

from vision.data.readers.pipe import PipeReader
from vision.data.sample import RawTarget
from vision.settings.errors import DataError


class PassLabels:
    """A ``Reader`` as far as labels go: the images are gone."""

    class_names: tuple[str, ...] | None = None

    def __init__(self, reader: PipeReader) -> None:
        self._reader = reader
        self._targets: list[RawTarget] = []
        # Of each label, the number of its record in the pass.
        self._records: list[int] = []

    def add(self, record: int, target: RawTarget) -> None:
        """Keep the label of a record."""
        self._records.append(record)
        self._targets.append(target)

    def __len__(self) -> int:
        return len(self._targets)

    def target(self, index: int) -> RawTarget:
        return self._targets[index]

    def key(self, index: int) -> str:
        return self._reader.key(self._records[index])

    def __getitem__(self, index: int) -> NoReturn:
        raise DataError(self.key(index), "was streamed and cannot be read again; File mode keeps the data")
